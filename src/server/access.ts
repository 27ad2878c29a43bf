import { lookup } from 'node:dns/promises'
import { isIPv4 } from 'node:net'
import { ForgeQError } from '../errors.ts'
import type { HttpContext } from './route.ts'

const REACH_HINT =
  'keep the server on 127.0.0.1 and reach it through an SSH tunnel, or through a proxy on the same host that checks who asks and sends the Host header localhost'

/** True for an address that only this machine can reach. */
export function isLoopback(address: string): boolean {
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'))
}

/**
 * The loopback address behind a host name. Nobody has to show a key yet, so nothing else is ever bound.
 *
 * @throws {ForgeQError} `forbidden` when others could reach it
 */
export async function loopbackAddress(host: string): Promise<string> {
  const name = host.replace(/^\[(.*)\]$/, '$1')
  const address = await lookup(name).then(
    (found) => found.address,
    () => undefined,
  )
  if (address !== undefined && isLoopback(address)) return address
  throw new ForgeQError(
    'forbidden',
    address === undefined
      ? `the host ${host} has no address on this machine`
      : `this release serves loopback only: on ${host} everybody who reaches the port could read and change every job`,
    { hint: REACH_HINT, details: { host } },
  )
}

/**
 * Refuses requests that a page of another site may have had a browser send: those under a foreign host name (DNS
 * rebinding) and writes with the origin of another site.
 */
export function createAccessCheck(host: string): (context: HttpContext) => void {
  const own = new Set([
    'localhost',
    '127.0.0.1',
    '[::1]',
    host.includes(':') ? `[${host.replace(/[[\]]/g, '')}]` : host,
  ])
  // Whatever was seen and found good: nearly every request comes under the same name.
  let good: string | undefined
  return ({ req, env }) => {
    const header = env?.incoming?.headers.host ?? req.raw.headers.get('host') ?? new URL(req.url).host
    if (header !== good) {
      if (!own.has(hostname(header))) {
        throw new ForgeQError('forbidden', 'this server answers to its own loopback names only', {
          hint: 'use http://127.0.0.1 or http://localhost with its port; a proxy must send such a Host header',
        })
      }
      good = header
    }
    if (req.method === 'GET' || req.method === 'HEAD') return
    const origin = req.raw.headers.get('origin')
    if (origin !== null && origin !== `http://${header}` && origin !== `https://${header}`) {
      throw new ForgeQError('forbidden', 'a page of another site may not change anything here')
    }
  }
}

/** `localhost:8420` without its port, in lower case; '' for what is no host. */
function hostname(header: string): string {
  return /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::\d{1,5})?$/i.exec(header)?.[1]?.toLowerCase() ?? ''
}
