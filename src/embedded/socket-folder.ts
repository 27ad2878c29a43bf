import { randomBytes } from 'node:crypto'
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canEnter, type Owner } from './owner.ts'
import { give, makePrivate, type Place } from './place.ts'

/** The settings for where PostgreSQL listens: a socket in a private folder, emptied; on Windows a free port of 127.0.0.1. */
export async function prepareSocket(place: Place, owner: Owner | undefined): Promise<Record<string, string>> {
  if (process.platform === 'win32') return { listen_addresses: '127.0.0.1', port: String(await freePort()) }
  const folder = fits(place.socket) ? place.socket : shortFolder(place, owner)
  rmSync(place.socket, { recursive: true, force: true })
  if (folder === place.socket) makePrivate(folder, owner)
  // A list: quoted, a comma or a space is part of the name.
  const quoted = `"${folder.replaceAll('"', '""')}"`
  return { listen_addresses: '', port: '5432', unix_socket_directories: quoted, unix_socket_permissions: '0700' }
}

/** A socket's path ends at 103 bytes on macOS and 107 on Linux. */
const fits = (folder: string) => Buffer.byteLength(join(folder, '.s.PGSQL.5432')) <= 103

/** The short folder of a deep place; the same at each start while nobody else has taken its name, so that pools find it again. */
function shortFolder(place: Place, owner: Owner | undefined): string {
  const noted = existsSync(place.socketNote) ? readFileSync(place.socketNote, 'utf8').trim() : undefined
  if (noted) {
    if (isOurs(noted, owner)) rmSync(noted, { recursive: true, force: true })
    if (!existsSync(noted)) {
      makePrivate(noted, owner)
      if (isOurs(noted, owner)) return noted
    }
  }
  const folder = mkdtempSync(join(shortParent(owner), 'forgeq-'))
  give(folder, owner)
  writeFileSync(place.socketNote, folder, { mode: 0o600 })
  return folder
}

function shortParent(owner: Owner | undefined): string {
  const parent = tmpdir()
  const example = join(parent, `forgeq-${randomBytes(3).toString('hex')}`)
  return fits(example) && (!owner || canEnter(owner, parent)) ? parent : '/tmp'
}

function isOurs(folder: string, owner: Owner | undefined): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  const uid = owner?.uid ?? process.getuid?.()
  return stat !== undefined && stat.isDirectory() && stat.uid === uid && (stat.mode & 0o077) === 0
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Removes what a stopped server leaves outside its place. */
export function removeShortFolder(place: Place): void {
  if (existsSync(place.socketNote))
    rmSync(readFileSync(place.socketNote, 'utf8').trim(), { recursive: true, force: true })
}
