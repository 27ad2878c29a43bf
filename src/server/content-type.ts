import { ForgeQError } from '../errors.ts'
import type { HttpContext } from './route.ts'

export const JSON_TYPE = 'application/json'
export const NDJSON_TYPE = 'application/x-ndjson'

/**
 * Which of the accepted types the body has; without a `Content-Type` the first of them.
 *
 * @throws {ForgeQError} `unsupported_media_type` for another type, a charset that is not UTF-8, a compressed body
 */
export function bodyType<Type extends string>(context: HttpContext, accepted: readonly [Type, ...Type[]]): Type {
  const { headers } = context.req.raw
  const encoding = headers.get('content-encoding')
  if (encoding !== null && encoding.toLowerCase() !== 'identity') throw refused('a compressed body is not taken')
  const value = headers.get('content-type')
  if (value === accepted[0] || value === null) return accepted[0]
  const [type = '', ...parameters] = value
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  const found = accepted.find((candidate) => candidate === type)
  if (!found) throw refused(`the body must be ${accepted.join(' or ')}, not ${JSON.stringify(type.slice(0, 100))}`)
  if (parameters.some((part) => /^charset\s*=/.test(part) && !/=\s*"?utf-?8"?$/.test(part))) {
    throw refused('the body must be UTF-8')
  }
  return found
}

const refused = (message: string) =>
  new ForgeQError('unsupported_media_type', message, { hint: `send the header Content-Type: ${JSON_TYPE}` })
