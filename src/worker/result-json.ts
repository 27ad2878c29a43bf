import { checkJson } from '../job/json.ts'
import { toJson } from '../job/value-json.ts'
import { JsonResult } from './handler.ts'

/** What a handler came to, as it is stored. JSON text within its limit stays as it stands; everything else is made storable. */
export function resultJson(value: unknown, maxBytes: number): string {
  if (!(value instanceof JsonResult)) return toJson(value, { maxBytes }).json
  return checkJson(value.json, { maxBytes }).ok ? value.json : toJson(JSON.parse(value.json), { maxBytes }).json
}
