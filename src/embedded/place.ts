import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { embeddedFailed } from './failures.ts'
import type { Owner } from './owner.ts'

/** Where everything of one embedded PostgreSQL is: all below `root`, which is the data folder or where its pointer leads. */
export const placeOf = (root: string) => ({
  root,
  lock: join(root, 'lock'), // held while deciding about start and stop
  postmasterLock: join(root, 'postmaster.lock'), // held by PostgreSQL itself as long as one of its processes lives
  cluster: join(root, 'cluster'), // appears by a rename, when complete
  data: join(root, 'cluster', 'data'),
  password: join(root, 'cluster', 'password'),
  ready: join(root, 'cluster', 'has-database'),
  log: join(root, 'postgres.log'),
  socket: join(root, 'socket'),
  socketNote: join(root, 'socket-folder'), // names the short folder when `socket` is too deep
  libraries: join(root, 'lib'),
  users: join(root, 'users'),
  keeper: join(root, 'keeper'),
})

export type Place = ReturnType<typeof placeOf>

/** Makes the data folder: private, and invisible to git. */
export function makeDataDir(dataDir: string): void {
  const isNew = !existsSync(dataDir)
  if (isNew) {
    makeFolder(dirname(dataDir)) // apart: the mode is for the last one only
    makePrivate(dataDir)
  } else if (!existsSync(join(dataDir, 'lock')) && readdirSync(dataDir).some((name) => !EMPTY_ENOUGH.has(name)))
    throw embeddedFailed(
      `${dataDir} holds other files, so it is not taken as the folder of the embedded PostgreSQL`,
      'name an empty or new folder with --data-dir or FORGEQ_DATA_DIR',
    )
  if (process.platform !== 'win32' && statSync(dataDir).mode & 0o077) chmodSync(dataDir, 0o700)
  if (!existsSync(join(dataDir, '.gitignore'))) writeFileSync(join(dataDir, '.gitignore'), '*\n')
}

// Node's recursive mkdir says ENOENT on a read-only disk.
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

const EMPTY_ENOUGH = new Set(['.gitignore', 'lost+found'])

/** Makes a folder of mode 0700 that belongs to `owner`; one that is there is left as it is. */
export function makePrivate(folder: string, owner?: Owner): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return
  }
  give(folder, owner)
}

/** Hands a file or folder to the owner, when this process is root and may. */
export function give(path: string, owner: Owner | undefined): void {
  if (owner) chownSync(path, owner.uid, owner.gid)
}

/** Hands a folder and all that is in it to the owner. */
export function giveAll(folder: string, owner: Owner): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(folder, name), owner.uid, owner.gid)
  give(folder, owner)
}

const pointerOf = (dataDir: string) => join(dataDir, 'moved-to')

/** Where the data of `dataDir` are. @throws {ForgeQError} `embedded_failed` when a pointer leads nowhere. */
export function findPlace(dataDir: string): Place {
  if (!existsSync(pointerOf(dataDir))) return placeOf(dataDir)
  const root = readFileSync(pointerOf(dataDir), 'utf8').trim()
  if (!existsSync(root))
    throw embeddedFailed(
      `the data of ${dataDir} were kept in ${root}, which is gone`,
      `restore it, or remove ${dataDir} to begin anew without them`,
    )
  return placeOf(root)
}

/** The folder of the system that takes what root cannot give to another user inside its own closed folder. */
export const SYSTEM_FOLDER = '/var/lib/forgeq'

/** Gives `dataDir`, closed to the owner, a place in a folder of the system, and leaves a pointer. */
export function movePlace(dataDir: string, owner: Owner): Place {
  mkdirSync(SYSTEM_FOLDER, { recursive: true })
  const root = join(SYSTEM_FOLDER, randomBytes(8).toString('hex'))
  makePrivate(root, owner)
  writeFileSync(pointerOf(dataDir), `${root}\n`, { mode: 0o600 })
  return placeOf(root)
}
