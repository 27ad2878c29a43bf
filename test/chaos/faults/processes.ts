import { SERVERS, LEASE_MS, LIBRARY_WORKERS, WORKERS } from '../settings.ts'
import type { Fault } from './fault.ts'

const ANY_WORKER = [...WORKERS, ...LIBRARY_WORKERS]

const killWorker: Fault = {
  name: 'worker-kill',
  takes: 'target',
  targets: ANY_WORKER,
  lastsMs: [100, 3_000],
  async run({ world, target, ms, wait }) {
    const worker = world.member(target!)
    await worker.stopBusy()
    await worker.kill({ restart: false })
    await wait(ms)
    worker.start()
    await worker.up()
  },
}

const killServer: Fault = {
  name: 'server-kill',
  takes: 'target',
  targets: SERVERS,
  lastsMs: [100, 3_000],
  async run({ world, target, ms, wait }) {
    const server = world.member(target!)
    await server.kill({ restart: false })
    await wait(ms)
    server.start()
    await server.up()
  },
}

const killTree: Fault = {
  name: 'tree-kill',
  takes: 'postgres',
  hinders: true,
  targets: [],
  lastsMs: [100, 1_000],
  async run({ world, ms, wait }) {
    const members = world.members().filter(({ what }) => what !== 'enqueuer')
    await Promise.all(members.map((member) => member.kill({ restart: false })))
    await wait(ms)
    for (const member of members) member.start()
    await Promise.all(members.map((member) => member.up()))
  },
}

const stopWorker: Fault = {
  name: 'worker-stop',
  takes: 'target',
  targets: ANY_WORKER,
  lastsMs: [LEASE_MS * 1.5, LEASE_MS * 3],
  async run({ world, target, ms, wait }) {
    const worker = world.member(target!)
    await worker.stopBusy()
    try {
      await wait(ms)
    } finally {
      worker.signal('SIGCONT')
    }
  },
}

const stopServer: Fault = {
  name: 'server-stop',
  takes: 'target',
  targets: SERVERS,
  lastsMs: [1_000, LEASE_MS * 2],
  async run({ world, target, ms, wait }) {
    const server = world.member(target!)
    server.signal('SIGSTOP')
    try {
      await wait(ms)
    } finally {
      server.signal('SIGCONT')
    }
  },
}

const blockHandler: Fault = {
  name: 'handler-block',
  takes: 'background',
  targets: [],
  lastsMs: [LEASE_MS * 1.25, LEASE_MS * 2],
  async run({ world, ms, wait }) {
    await world.enqueue({ do: 'block', ms: Math.round(ms) })
    await wait(ms)
  },
}

/** What happens to the product's own processes. */
export const PROCESS_FAULTS: readonly Fault[] = [killWorker, killServer, killTree, stopWorker, stopServer, blockHandler]
