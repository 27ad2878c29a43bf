import { afterAll, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { gate, handler, handlers, testWorker, until } from '../support/worker.ts'
import { HALVES, WORDS } from './words.ts'

const db = testDatabase()
const end = gate()
afterAll(() => end.open())

const lions = '🦁'.repeat(125)
const CASES: [value: number, message: string | undefined, shown: string | undefined][] = [
  ...[...WORDS, ...HALVES].map(([, text]): [number, string, string] => {
    // No word but the longest goes beyond 500 bytes.
    const clean = Buffer.from(text.replaceAll('\0', '\ufffd'), 'utf8').toString('utf8')
    const shown = clean.startsWith('🦁') ? clean.slice(0, lions.length) : clean.slice(0, 500)
    return [0.5, text, shown]
  }),
  [0.5, 'x'.repeat(50_000_000), 'x'.repeat(500)],
  [0.5, `x${'🦁'.repeat(300_000)}`, `x${'🦁'.repeat(124)}`],
  [-0, undefined, undefined],
  [1e308, undefined, undefined],
  [5e-324, undefined, undefined],
  [-(2 ** 53), 'a', 'a'],
  [1 / 3, 'a', 'a'],
]

test('progress with any text is shown, cut at a whole character, and none holds up that of the others', async () => {
  await testWorker({
    db: db.pool,
    connection: db.connection,
    concurrency: 200,
    handlers: handlers(
      handler('reports', async ({ n }, job) => {
        const [value, message] = CASES[n!]!
        await job.progress(value, message)
        await end.promise
      }),
    ),
  })
  const ids: string[] = []
  for (const n of CASES.keys()) ids.push(await insertJob(db.pool, { type: 'reports', payload: { n } }))
  for (const [n, id] of ids.entries()) {
    const [value, , shown] = CASES[n]!
    const progress = await until(`the progress ${n} is shown`, async () => (await jobOf(db.pool, id)).progress)
    // Its JSON has no minus zero.
    expect(progress).toEqual({ value: value + 0, ...(shown !== undefined && { message: shown }) })
  }
  end.open()
  for (const id of ids) await until('it is completed', async () => (await jobOf(db.pool, id)).state === 'completed')
})
