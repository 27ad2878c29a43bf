import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { WORKERS } from '../settings.ts'
import type { Fault } from './fault.ts'

/** Node has threads: the library for those. */
const LIBRARY = 'libfaketimeMT.so.1'

function findLibrary(): string | undefined {
  const folders = ['/usr/lib', '/usr/local/lib'].flatMap((lib) => [
    join(lib, 'faketime'),
    ...(existsSync(lib) ? readdirSync(lib).map((name) => join(lib, name, 'faketime')) : []),
  ])
  return folders.map((folder) => join(folder, LIBRARY)).find((path) => existsSync(path))
}

/** A worker whose wall clock is an hour off; its monotonic one goes on as everybody's. */
const clock = (name: string, offset: string): Fault => ({
  name,
  takes: 'target',
  targets: WORKERS,
  lastsMs: [6_000, 20_000],
  impossible: () =>
    process.platform === 'linux' && findLibrary() ? undefined : `${LIBRARY} is not here (package faketime of Debian)`,
  async run({ world, target, ms, wait }) {
    const worker = world.member(target!)
    const restart = async (env: { [name: string]: string }) => {
      await worker.stop(8_000)
      worker.extraEnv = env
      worker.start()
      await worker.up()
    }
    try {
      await restart({
        LD_PRELOAD: findLibrary()!,
        FAKETIME: offset,
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        DONT_FAKE_MONOTONIC: '1',
      })
      await wait(ms)
    } finally {
      await restart({})
    }
  },
})

export const CLOCK_FAULTS: readonly Fault[] = [clock('clock-ahead', '+1h'), clock('clock-behind', '-1h')]
