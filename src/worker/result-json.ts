import { checkJson } from '../job/json.ts'
import { toJson, truncationMarker } from '../job/value-json.ts'
import { JsonResult } from './handler.ts'

/** What a handler came to, as it is stored. JSON text within its limit stays as it stands; everything else is made storable. */
export function resultJson(value: unknown, maxBytes: number): string {
  // Most handlers return nothing.
  if (value === undefined || value === null) return 'null'
  if (!(value instanceof JsonResult)) return toJson(value, { maxBytes }).json
  const { json } = value
  if (checkJson(json, { maxBytes }).ok) return json
  // Parsed it could become small enough, with digits lost and no mark of it.
  const whole = checkJson(json, { maxBytes: Infinity })
  return whole.ok ? truncationMarker(whole.storedBytes) : toJson(json, { maxBytes }).json
}
