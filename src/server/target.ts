import { ForgeQError } from '../errors.ts'
import { nearest } from '../job/nearest.ts'
import type { HttpContext } from './route.ts'

/** The request's target as it came over the wire: no layer has decoded or normalised it, so it has one meaning. */
export function rawTarget(request: Request, url: string | undefined): string {
  if (url?.startsWith('/')) return url
  const start = request.url.indexOf('/', request.url.indexOf('://') + 3)
  return start === -1 ? '/' : request.url.slice(start)
}

export function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}

/**
 * The parameters of the query in the order given.
 * @throws {ForgeQError} `invalid_request` for bad percent-encoding
 */
export function queryOf(context: HttpContext): [name: string, value: string][] {
  const target = rawTarget(context.req.raw, context.env?.incoming?.url)
  const start = target.indexOf('?')
  if (start === -1) return []
  return target
    .slice(start + 1)
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const [name = '', ...value] = part.replaceAll('+', ' ').split('=')
      return [decode(name), decode(value.join('='))]
    })
}

/**
 * The query's parameters by name.
 * @throws {ForgeQError} `invalid_request` for a name that is not among `known` or is given twice
 */
export function knownQuery<Name extends string>(
  context: HttpContext,
  known: readonly Name[],
): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {}
  for (const [name, value] of queryOf(context)) {
    if (!isAmong(name, known)) {
      const meant = nearest(name, known)
      throw badRequest(name, meant === undefined ? 'unknown parameter' : `unknown parameter; did you mean "${meant}"?`)
    }
    if (found[name] !== undefined) throw badRequest(name, 'is given twice')
    found[name] = value
  }
  return found
}

export const badRequest = (path: string, message: string): ForgeQError =>
  new ForgeQError('invalid_request', `${path}: ${message}`, { errors: [{ path, message }] })

/** @throws {ForgeQError} `invalid_request` for bad percent-encoding */
export function decode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ForgeQError('invalid_request', 'the address holds a percent sign that begins no encoded character')
  }
}

const isAmong = <Name extends string>(name: string, known: readonly Name[]): name is Name =>
  (known as readonly string[]).includes(name)
