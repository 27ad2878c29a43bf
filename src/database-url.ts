export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** Options of the `pg` driver under its own names, and beside them what it cannot say itself. */
export interface DatabaseOptions {
  /** A name, an address without brackets, or the absolute folder of a unix socket. */
  host: string
  port: number
  database: string
  user?: string
  password?: string
  application_name?: string
  options?: string
  connectionTimeoutMillis?: number
  sslMode: SslMode
  /** Paths as given; whoever connects reads the files. `sslrootcert=system` means Node's own authorities. */
  sslRootCert?: string
  sslCert?: string
  sslKey?: string
  /** Parameters of other programs that mean nothing here, such as `schema` or `channel_binding`. */
  ignored: string[]
}

export type ParsedDatabaseUrl = { options: DatabaseOptions; problem?: never } | { options?: never; problem: string }

const ENCODE =
  'a user name or password with special characters must be percent-encoded (@ is %40, : %3A, / %2F, # %23, % %25, ? %3F)'

const PARAMETERS = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'application_name',
  'options',
  'connect_timeout',
] as const
type Parameter = (typeof PARAMETERS)[number]

/**
 * Reads a `postgres://` URL as libpq does: percent-encoding, IPv6 in brackets, `host=` and `port=` parameters (a host
 * that begins with `/` is the folder of a unix socket), `sslmode`. A problem never quotes the URL, which holds the password.
 */
export function parseDatabaseUrl(url: string): ParsedDatabaseUrl {
  const parts = /^postgres(?:ql)?:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/s.exec(url.trim())
  if (!parts) return { problem: 'a database URL looks like postgres://user:password@host:5432/database' }
  const [, authority = '', path = '', search = '', fragment] = parts
  // An @ where none can be, a # or a second @ are what a raw password leaves behind.
  if (fragment !== undefined || path.includes('@') || search.includes('@') || authority.split('@').length > 2) {
    return { problem: ENCODE }
  }
  try {
    return { options: optionsFrom(authority, path, search) }
  } catch (error) {
    if (error instanceof UrlProblem) return { problem: error.message }
    throw error
  }
}

class UrlProblem extends Error {}

function optionsFrom(authority: string, path: string, search: string): DatabaseOptions {
  const at = authority.lastIndexOf('@')
  const login = at < 0 ? '' : authority.slice(0, at)
  const colon = login.indexOf(':')
  const { parameters, ignored } = parametersOf(search)
  const given = (name: Parameter, other: string | undefined): string | undefined =>
    parameters.get(name) ?? (other || undefined)
  const address = addressOf(authority.slice(at + 1))
  const user = given('user', decode(colon < 0 ? login : login.slice(0, colon)))
  const password = given('password', colon < 0 ? undefined : decode(login.slice(colon + 1)))
  const timeout = parameters.get('connect_timeout')
  return {
    host: given('host', address.host) ?? 'localhost',
    port: portOf(given('port', address.port)),
    database: given('dbname', decode(path.slice(1))) ?? user ?? 'postgres',
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...textOptions(parameters),
    ...(timeout !== undefined && { connectionTimeoutMillis: secondsOf(timeout) * 1000 }),
    sslMode: sslModeOf(parameters.get('sslmode')),
    ignored,
  }
}

function textOptions(parameters: Map<Parameter, string>): Partial<DatabaseOptions> {
  const name = parameters.get('application_name')
  const options = parameters.get('options')
  const sslRootCert = parameters.get('sslrootcert')
  const sslCert = parameters.get('sslcert')
  const sslKey = parameters.get('sslkey')
  return {
    ...(name !== undefined && { application_name: name }),
    ...(options !== undefined && { options }),
    ...(sslRootCert !== undefined && { sslRootCert }),
    ...(sslCert !== undefined && { sslCert }),
    ...(sslKey !== undefined && { sslKey }),
  }
}

function addressOf(text: string): { host?: string; port?: string } {
  if (text.includes(',')) throw new UrlProblem('one host is expected, not a list')
  const parts = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^[\]:]*))(?::(.*))?$/s.exec(text)
  if (!parts) {
    const bareIpv6 = /^[0-9A-Fa-f:.]+$/.test(text)
    throw new UrlProblem(bareIpv6 ? 'an IPv6 address is written in brackets: [::1]' : ENCODE)
  }
  const host = parts[1] ?? decode(parts[2] ?? '')
  // Left over from `user:pass/word@host`: what stands at the host's place is the user, and the port is the password.
  if (parts[3] && !/^\d+$/.test(parts[3])) throw new UrlProblem(`the port is not a number; ${ENCODE}`)
  return { ...(host && { host }), ...(parts[3] && { port: parts[3] }) }
}

function portOf(text: string | undefined): number {
  if (text === undefined) return 5432
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new UrlProblem('the port must be a whole number from 1 to 65535')
  return port
}

function secondsOf(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new UrlProblem('connect_timeout must be a whole number of seconds')
  return Number(text)
}

function sslModeOf(text: string | undefined): SslMode {
  const mode = SSL_MODES.find((known) => known === (text ?? 'prefer'))
  if (!mode) throw new UrlProblem(`sslmode must be one of ${SSL_MODES.join(', ')}`)
  return mode
}

function parametersOf(search: string): { parameters: Map<Parameter, string>; ignored: string[] } {
  const parameters = new Map<Parameter, string>()
  const ignored: string[] = []
  for (const pair of search.split('&')) {
    if (!pair) continue
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    const known = PARAMETERS.find((parameter) => parameter === name)
    if (known) parameters.set(known, decode(equals < 0 ? '' : pair.slice(equals + 1)))
    else if (/^ssl/i.test(name))
      throw new UrlProblem('the parameters for TLS are sslmode, sslrootcert, sslcert and sslkey')
    else ignored.push(name)
  }
  return { parameters, ignored }
}

function decode(text: string): string {
  // A plus is a plus here: libpq and the driver agree, forms do not matter.
  try {
    return decodeURIComponent(text)
  } catch {
    throw new UrlProblem(ENCODE)
  }
}

/** Where a database is, for people: never with its password. */
export function describeDatabase({ host, port, database, user }: DatabaseOptions): string {
  const place = host.startsWith('/')
    ? `the socket ${host} (port ${port})`
    : `${host.includes(':') ? `[${host}]` : host}:${port}`
  return `database ${database} on ${place}${user === undefined ? '' : ` as ${user}`}`
}

/** The same URL with `***` for the password, for `forgeq config`. */
export function maskDatabaseUrl({ host, port, database, user, password, sslMode }: DatabaseOptions): string {
  const login = user === undefined ? '' : `${encodeURIComponent(user)}${password === undefined ? '' : ':***'}@`
  const socket = host.startsWith('/')
  const place = socket ? '' : `${host.includes(':') ? `[${host}]` : host}:${port}`
  const query = [
    ...(socket ? [`host=${host}`, `port=${port}`] : []),
    ...(sslMode === 'prefer' ? [] : [`sslmode=${sslMode}`]),
  ]
  return `postgres://${login}${place}/${encodeURIComponent(database)}${query.length ? `?${query.join('&')}` : ''}`
}
