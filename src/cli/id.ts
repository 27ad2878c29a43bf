import { ForgeQError } from '../errors.ts'
import { canonicalId, isUuidV7 } from '../job/id.ts'

/** An id as typed. @throws {ForgeQError} `invalid_id` */
export function idFrom(text: string): string {
  const shown = text.slice(0, 80)
  if (isUuidV7(text)) return canonicalId(text)
  throw new ForgeQError('invalid_id', `${JSON.stringify(shown)} is not an id (a UUIDv7)`, { details: { id: shown } })
}
