import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makePrivate, type Place } from './place.ts'
import { identityOf, isAlive } from './process-identity.ts'

/** Enters this process as a user of the place; gives the file that says so. */
export function enterUser(place: Place): string {
  makePrivate(place.users)
  const file = join(place.users, `${identityOf(process.pid)}-${randomBytes(3).toString('hex')}`)
  touchUser(file)
  return file
}

/**
 * Says that the user still lives, for those who cannot look at its process, and enters it again if its file was lost.
 * Throws when the whole folder is gone: a place that is being deleted is not made again.
 */
export function touchUser(file: string): void {
  const now = new Date()
  if (existsSync(file)) utimesSync(file, now, now)
  else writeFileSync(file, '', { mode: 0o644 })
}

/** This user is gone. Safe twice. */
export const leaveUser = (file: string): void => rmSync(file, { force: true })

/** How many live users the place has; the files of those that were killed are removed. */
export function countUsers(place: Place): number {
  let alive = 0
  for (const name of namesIn(place.users)) {
    const file = join(place.users, name)
    const seen = statSync(file, { throwIfNoEntry: false })
    if (!seen) continue
    if (isAlive(name, Date.now() - seen.mtimeMs)) alive++
    else rmSync(file, { force: true })
  }
  return alive
}

/** Changes with each user that comes or goes, also with those that came and went since the last look. */
export const usersChangedAt = (place: Place): number => statSync(place.users, { throwIfNoEntry: false })?.mtimeMs ?? 0

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])
