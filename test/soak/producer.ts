import { setTimeout as sleep } from 'node:timers/promises'
import type * as Library from '../../src/index.ts'

/** What the harness asks of its producer: jobs numbered from `first` on. */
export type Wish =
  | { kind: 'flood'; first: number; count: number }
  | { kind: 'trickle'; first: number; perSecond: number; seconds: number }

/** Answered when all of them are acknowledged. */
export interface Done {
  count: number
}

const TYPE = 'soak'
const A_CALL = 1_000
const CALLERS = 2

const { ForgeQ } = (await import(`${process.env['SOAK_PRODUCT']!}/dist/index.js`)) as typeof Library
const forgeq = new ForgeQ({ databaseUrl: process.env['DATABASE_URL']!, poolSize: 4 })

async function flood(first: number, count: number): Promise<number> {
  let next = 0
  const caller = async () => {
    while (next < count) {
      const from = next
      const most = Math.min(A_CALL, count - from)
      next += most
      await forgeq.enqueueMany(Array.from({ length: most }, (_, i) => [TYPE, { n: first + from + i }]))
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return count
}

/** One a call, as many callers do. */
async function trickle(first: number, perSecond: number, seconds: number): Promise<number> {
  const begun = performance.now()
  const calls: Promise<unknown>[] = []
  for (let ms = 0; ms < seconds * 1_000; ms = performance.now() - begun) {
    const due = Math.floor((perSecond * ms) / 1_000)
    while (calls.length < due) calls.push(forgeq.enqueue(TYPE, { n: first + calls.length }))
    await sleep(5)
  }
  await Promise.all(calls)
  return calls.length
}

process.on('message', (wish: Wish) => {
  const work = wish.kind === 'flood' ? flood(wish.first, wish.count) : trickle(wish.first, wish.perSecond, wish.seconds)
  work.then(
    (count) => process.send!({ count } satisfies Done),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})
process.once('disconnect', () => process.exit(0))
process.send!('ready')
