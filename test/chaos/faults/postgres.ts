import { rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { APP } from '../postgres.ts'
import type { Fault, World } from './fault.ts'
import { attempt } from './sessions.ts'

const killBackend: Fault = {
  name: 'backend-kill',
  takes: 'postgres',
  targets: [],
  lastsMs: [500, 2_000],
  async run({ world, ms, wait }) {
    // The postmaster then ends all others and goes through recovery.
    await attempt(world.postgres, async (client) => {
      const { rows } = await client.query<{ pid: number }>(
        `select pid from pg_stat_activity where usename = '${APP}' order by state = 'active' desc, random() limit 1`,
      )
      for (const { pid } of rows) {
        process.kill(pid, 'SIGKILL')
        world.killedPostgres(pid)
      }
    })
    await wait(ms)
    await world.postgres.start()
  },
}

const killPostmaster: Fault = {
  name: 'postmaster-kill',
  takes: 'postgres',
  targets: [],
  lastsMs: [100, 4_000],
  async run({ world, ms, wait }) {
    const pid = world.postgres.postmaster
    await world.postgres.kill()
    if (pid !== undefined) world.killedPostgres(pid)
    await wait(ms)
    await world.postgres.start()
  },
}

const stopPostgres = (mode: 'fast' | 'immediate'): Fault => ({
  name: `postgres-${mode}`,
  takes: 'postgres',
  targets: [],
  lastsMs: [100, 6_000],
  async run({ world, ms, wait }) {
    try {
      await world.postgres.stop(mode)
      await wait(ms)
    } finally {
      await world.postgres.start()
    }
  },
})

const fillDisk: Fault = {
  name: 'disk-full',
  takes: 'postgres',
  targets: [],
  lastsMs: [5_000, 12_000],
  hinders: true,
  impossible: ({ ownDisk }: World) =>
    ownDisk ? undefined : 'it takes a disk of its own (a tmpfs, which only root can mount)',
  async run({ world: { postgres }, ms, wait, random }) {
    const filler = join(postgres.data, 'filler')
    const until = performance.now() + ms
    // Without space for data statements fail; without space for the log PostgreSQL ends, and starts again in vain.
    const reachesLog = random() < 0.5
    try {
      // Again and again: PostgreSQL gives back old files of its log.
      do {
        await fill(filler)
        if (reachesLog) await attempt(postgres, (client) => client.query('select pg_switch_wal()'))
        await wait(100)
      } while (performance.now() < until)
    } finally {
      rmSync(filler, { force: true })
      await postgres.start()
    }
  },
}

/** Writes until not one page is left. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'a')
  try {
    for (const bytes of [1_048_576, 4_096])
      for (
        const block = Buffer.alloc(bytes);
        (await file.write(block).catch(() => undefined))?.bytesWritten === bytes;
      );
  } finally {
    await file.close()
  }
}

/** What happens to PostgreSQL and its disk. */
export const POSTGRES_FAULTS: readonly Fault[] = [
  killBackend,
  killPostmaster,
  stopPostgres('fast'),
  stopPostgres('immediate'),
  fillDisk,
]
