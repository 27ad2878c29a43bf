import { setTimeout as sleep } from 'node:timers/promises'
import { TYPES } from './handlers.ts'
import type { Product } from './product.ts'
import type { Work } from './scenario.ts'

export interface Start {
  job: string
  token: number
  attempt: number
  at: number
}

/** Another worker, in this process: what it starts, it notes and completes at once. */
export interface Witness {
  starts: Start[]
  /** Enqueues and gives the ids that were acknowledged. */
  enqueue(jobs: [type: string, payload: object][]): Promise<string[]>
  /** Registers and begins to work. */
  begin(): Promise<void>
  close(): Promise<void>
}

const SLOTS = 50

export function createWitness({ library: { ForgeQ, defineJob } }: Product, databaseUrl: string): Witness {
  const starts: Start[] = []
  const jobs = TYPES.map((type) =>
    defineJob({
      type,
      run: (_payload, { id, token, attempt }) => void starts.push({ job: id, token, attempt, at: Date.now() }),
    }),
  )
  const client = new ForgeQ({ databaseUrl, poolSize: 3 })
  const worker = client.worker({ jobs, concurrency: SLOTS, name: 'witness' })
  return {
    starts,
    async enqueue(items) {
      const enqueued = await client.enqueueMany(items.map(([type, payload]) => [type, payload]))
      return enqueued.map(({ id }) => id)
    },
    async begin() {
      for (const giveUpAt = Date.now() + 15_000; ; await sleep(100)) {
        try {
          return await worker.start()
        } catch (error) {
          if (Date.now() > giveUpAt) throw error
        }
      }
    },
    async close() {
      await worker.stop({ grace: '0s' })
      await client.close()
    },
  }
}

/** First some short jobs by which a worker learns that it may lease ahead, then the rest mixed with long ones. */
export function jobsOf({ short, shortMs, heeding, deaf, programs, deafPrograms }: Work): [string, object][] {
  const brief = (ms: number): [string, object] => ['job', { ms }]
  const long = (heeds: boolean): [string, object] => ['job', { ms: 30_000, heeds }]
  return [
    ...Array.from({ length: 8 }, () => brief(Math.min(100, shortMs))),
    ...Array.from({ length: heeding }, () => long(true)),
    ...Array.from({ length: deaf }, () => long(false)),
    ...Array.from({ length: programs }, (): [string, object] => ['program', {}]),
    ...Array.from({ length: deafPrograms }, (): [string, object] => ['deaf_program', {}]),
    ...Array.from({ length: short }, () => brief(shortMs)),
  ]
}
