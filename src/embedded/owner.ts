import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { embeddedFailed } from './failures.ts'

/** Under whom PostgreSQL runs and to whom its files belong; only root has a choice. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * PostgreSQL refuses root: then it runs as whoever owns the data already, else the folder, else `nobody`; no user is
 * made. Undefined when this process is not root and PostgreSQL runs as it does.
 */
export function chooseOwner(cluster: string, folder: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const ofData = ownerOf(cluster)
  if (ofData && ofData.uid !== 0) return ofData
  const ofFolder = ownerOf(folder)
  const users = passwd()
  // initdb looks its user up by name, so a uid without an entry would not do.
  if (ofFolder && ofFolder.uid !== 0 && users.some(({ uid }) => uid === ofFolder.uid)) return ofFolder
  const nobody = users.find(({ name }) => name === 'nobody')
  if (!nobody) throw embeddedFailed('PostgreSQL cannot run as root, and there is no user nobody to run it as')
  return nobody
}

/** Whether this user may pass through every folder of `path`, itself included, by the folders' modes. */
export function canEnter({ uid, gid }: Owner, path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode, uid: u, gid: g } = statSync(folder)
    if (!(mode & (u === uid ? 0o100 : g === gid ? 0o010 : 0o001))) return false
    if (folder === dirname(folder)) return true
  }
}

function ownerOf(path: string): Owner | undefined {
  try {
    const { uid, gid } = statSync(path)
    return { uid, gid }
  } catch {
    return undefined
  }
}

function passwd(): (Owner & { name: string })[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4)
    .map(([name, , uid, gid]) => ({ name: name!, uid: Number(uid), gid: Number(gid) }))
}
