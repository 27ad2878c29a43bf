import { ForgeQError } from '../errors.ts'
import { canonicalId, isUuidV7 } from '../job/id.ts'

/** A job's id as typed. @throws {ForgeQError} `invalid_id` */
export function idFrom(text: string): string {
  if (isUuidV7(text)) return canonicalId(text)
  throw new ForgeQError('invalid_id', `${JSON.stringify(text.slice(0, 80))} is not the id of a job (a UUIDv7)`, {
    details: { id: text.slice(0, 80) },
  })
}
