import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ForgeQError } from '../errors.ts'
import { copyBinaries, findBinaries, type Binaries } from './binaries.ts'
import { embeddedFailed } from './failures.ts'
import { findProgram } from './find-program.ts'
import { linkLibraries } from './links.ts'
import { canEnter, type Owner } from './owner.ts'
import { SYSTEM_FOLDER, type Place } from './place.ts'

/** PostgreSQL's programs, tried and found to run here. */
export interface Programs {
  /** of the server, such as 18 */
  readonly major: number
  /** Whether the programs, as they are run, get into a folder that is closed to their user. */
  readonly entersClosedFolders: boolean
  spawn(
    program: 'initdb' | 'postgres',
    args: string[],
    options: { stdio: StdioOptions; detached?: boolean },
  ): ChildProcess
}

interface Road {
  binaries: Binaries
  libraryPath: string
  owner: Owner | undefined
  /** runs what follows, as the owner with one capability */
  wrapper: string[]
}

/**
 * The first road on which `postgres --version` runs as `owner`: as it is; with the one capability that opens closed folders;
 * from a copy in a folder of the system. @throws {ForgeQError} `embedded_failed` when it runs on none.
 */
export function findPrograms(place: Place, owner: Owner | undefined): Programs {
  let failure = ''
  for (const road of roads(place, owner)) {
    const { program, args, options } = commandOf(road, 'postgres', ['--version'])
    const { stdout, stderr, error } = spawnSync(program, args, { ...options, encoding: 'utf8' })
    const major = /PostgreSQL\) (\d+)/.exec(stdout ?? '')?.[1]
    if (major) return programsOf(road, Number(major))
    failure ||= error?.message ?? stderr.trim()
  }
  throw cannotRun(failure, process.platform === 'linux' && isMusl())
}

function* roads(place: Place, owner: Owner | undefined): Generator<Road> {
  const installed = findBinaries()
  // The loader of macOS looks beside the library, which may be read-only, and nowhere else.
  const binaries = process.platform === 'darwin' ? copyBinaries(installed, place.root) : installed
  if (process.platform === 'linux') linkLibraries(join(binaries.folder, 'lib'), place.libraries)
  const libraryPath = `${place.libraries}:${join(binaries.folder, 'lib')}`
  const plain = { binaries, libraryPath, owner, wrapper: [] }
  if (!owner || (canEnter(owner, join(binaries.folder, 'bin')) && canEnter(owner, place.root))) return yield plain
  const wrapper = capabilityWrapper(owner)
  if (wrapper) yield { binaries, libraryPath, owner: undefined, wrapper }
  const copy = copyBinaries(binaries, SYSTEM_FOLDER)
  yield { binaries: copy, libraryPath: join(copy.folder, 'lib'), owner, wrapper: [] }
}

function programsOf(road: Road, major: number): Programs {
  return {
    major,
    entersClosedFolders: road.wrapper.length > 0,
    spawn: (name, postgresArgs, { stdio, detached = false }) => {
      const { program, args, options } = commandOf(road, name, postgresArgs)
      return spawn(program, args, { ...options, stdio, detached })
    },
  }
}

function commandOf({ binaries, libraryPath, owner, wrapper }: Road, name: string, args: string[]) {
  const file = join(binaries.folder, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
  const [program, ...all] = [...wrapper, file, ...args]
  // Nothing else of our environment: PGDATA, PGPORT and the like would change what runs, and secrets are not its business.
  const { PATH, SystemRoot, TEMP, TMP } = process.env
  const env = Object.fromEntries(
    Object.entries({ PATH, SystemRoot, TEMP, TMP, LC_ALL: 'C', LD_LIBRARY_PATH: libraryPath }).filter(
      ([, value]) => value,
    ),
  )
  return {
    program: program!,
    args: all,
    options: { env, cwd: process.platform === 'win32' ? undefined : '/', ...owner },
  }
}

// Docker's root has dac_override only; dac_read_search, where it is to be had, opens folders without letting anything be written.
const CAPABILITIES = { dac_read_search: 2n, dac_override: 1n }

function capabilityWrapper({ uid, gid }: Owner): string[] | undefined {
  const setpriv = process.platform === 'linux' ? findProgram('setpriv') : undefined
  const effective = /^CapEff:\s*(\w+)/m.exec(
    existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '',
  )
  const ours = BigInt(`0x${effective?.[1] ?? '0'}`)
  const capability = Object.entries(CAPABILITIES).find(([, bit]) => ours & (1n << bit))?.[0]
  if (!setpriv || !capability) return undefined
  const options =
    `--reuid ${uid} --regid ${gid} --clear-groups --inh-caps +${capability} --ambient-caps +${capability}` +
    ' --securebits +noroot,+no_setuid_fixup --'
  return [setpriv, ...options.split(' ')]
}

/** Why PostgreSQL's programs do not run here, from what their first try said. */
export function cannotRun(failure: string, onMusl: boolean): ForgeQError {
  if (onMusl)
    return embeddedFailed(
      'the embedded PostgreSQL needs the C library glibc, and this system (Alpine?) has musl',
      "use an image of Debian such as node:22-slim, or install the distribution's own PostgreSQL",
      new Error(failure),
    )
  if (/EPERM|EINVAL/.test(failure))
    return embeddedFailed(
      `PostgreSQL cannot run as root, and root may not become another user here (${failure})`,
      'run as an ordinary user',
    )
  return embeddedFailed(`the embedded PostgreSQL does not run here: ${failure}`)
}

// The report of Node itself knows its C library.
const isMusl = () =>
  !(process.report.getReport() as { header?: { glibcVersionRuntime?: string } }).header?.glibcVersionRuntime
