import { readFileSync } from 'node:fs'

export const MAIL_HOST = '127.0.0.1'
const DEFAULT_PORT = 2525

/**
 * Port of the example's mail server: `QUICKSTART_SMTP_PORT`, or what `npm start` wrote down when it opened the server,
 * so that a worker in another terminal finds it too; otherwise 2525.
 */
export function mailPort(): number {
  const fromEnvironment = Number(process.env['QUICKSTART_SMTP_PORT'])
  if (Number.isInteger(fromEnvironment) && fromEnvironment > 0) return fromEnvironment
  try {
    const noted: unknown = JSON.parse(readFileSync(new URL('out/mail-server.json', import.meta.url), 'utf8'))
    if (noted && typeof noted === 'object' && 'port' in noted && typeof noted.port === 'number') return noted.port
  } catch {
    // Nobody has started the example yet; the connection then says so.
  }
  return DEFAULT_PORT
}
