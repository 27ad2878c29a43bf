import { BOTH_WAYS, type Losses, type Proxy, type Way } from '../proxy.ts'
import { between, oneOf } from '../random.ts'
import { LEASE_MS, LIBRARY_ENQUEUER, LIBRARY_WORKERS, SERVERS, WORKERS } from '../settings.ts'
import type { Fault, Occurrence } from './fault.ts'

const ANY_WORKER = [...WORKERS, ...LIBRARY_WORKERS]
const ANYBODY = [...ANY_WORKER, ...SERVERS, LIBRARY_ENQUEUER]

const ENQUEUES = ['forgeq:insert_jobs', 'forgeq:insert_plain_jobs', 'forgeq:insert_given_jobs', 'forgeq:take_keys']
const LEASES_AND_OUTCOMES = [
  'forgeq:claim_jobs',
  'forgeq:finish_jobs',
  'forgeq:finish_keyed_jobs',
  'forgeq:requeue_jobs',
  'forgeq:complete_jobs',
  'forgeq:note_starts',
  'forgeq:sync_leases',
  'forgeq:heartbeat',
]

/** Between one process and the database; whole again when it returns. `breakIt` takes the time itself if it gives a promise. */
const network = (
  name: string,
  options: Pick<Fault, 'targets' | 'lastsMs'>,
  breakIt: (proxy: Proxy, occurrence: Occurrence) => Promise<void> | void,
  heal: (random: () => number) => 'deliver' | 'drop' = () => 'deliver',
): Fault => ({
  name,
  takes: 'target',
  ...options,
  async run(occurrence) {
    const { proxy } = occurrence.world.member(occurrence.target!)
    try {
      await (breakIt(proxy, occurrence) ?? occurrence.wait(occurrence.ms))
    } finally {
      proxy.heal(heal(occurrence.random))
    }
  },
})

const losing = (name: string, targets: readonly string[], lose: Losses['lose'], naming: readonly string[]): Fault =>
  network(name, { targets, lastsMs: [4_000, 9_000] }, (proxy, { random }) =>
    proxy.lose({ lose, chance: 0.3, naming, random }),
  )

/** What waited may arrive after all, or is gone with its connection. */
const lateOrNever = (random: () => number): 'deliver' | 'drop' => (random() < 0.6 ? 'deliver' : 'drop')

const holding = (name: string, ways: (random: () => number) => readonly Way[]): Fault =>
  network(
    name,
    { targets: ANYBODY, lastsMs: [500, LEASE_MS * 3] },
    (proxy, { random }) => proxy.hold(ways(random)),
    lateOrNever,
  )

const delay = network('delay', { targets: ANYBODY, lastsMs: [3_000, 10_000] }, (proxy, { random }) =>
  proxy.delay(between(random, 20, 400)),
)

const reset = network('reset', { targets: ANYBODY, lastsMs: [500, 4_000] }, async (proxy, { ms, wait }) => {
  for (const until = performance.now() + ms; performance.now() < until;) {
    proxy.reset()
    await wait(300)
  }
})

const refused = network('refused', { targets: ANYBODY, lastsMs: [500, LEASE_MS * 2] }, (proxy) => {
  proxy.refuse()
  proxy.reset()
})

const halfClosed = network('half-close', { targets: ANYBODY, lastsMs: [1_000, LEASE_MS * 2] }, (proxy, { random }) =>
  proxy.halfClose(oneOf(random, BOTH_WAYS)),
)

/** What happens between a process and the database. */
export const NETWORK_FAULTS: readonly Fault[] = [
  losing('answer-lost', SERVERS, 'answer', ENQUEUES),
  losing('request-lost', SERVERS, 'request', ENQUEUES),
  losing('worker-answer-lost', ANY_WORKER, 'answer', LEASES_AND_OUTCOMES),
  losing('worker-request-lost', ANY_WORKER, 'request', LEASES_AND_OUTCOMES),
  losing('library-answer-lost', [LIBRARY_ENQUEUER], 'answer', ENQUEUES),
  holding('black-hole', () => BOTH_WAYS),
  holding('one-way', (random) => [oneOf(random, BOTH_WAYS)]),
  delay,
  reset,
  refused,
  halfClosed,
]
