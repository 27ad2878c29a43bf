import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProblemView } from '../../src/wire/problem.ts'
import { ROUTES } from '../../src/server/routes.ts'
import { setUp } from './setup.ts'

const s = setUp()
const FIELDS = [
  'type',
  'id',
  'queue',
  'payload',
  'priority',
  'run_at',
  'delay',
  'backoff',
  'tags',
  'timeout',
  'jobs',
  'reason',
  'until',
]

/** Whatever comes, the answer is a success or a well-formed refusal of the sender, never an error of ours. */
async function expectSane(answer: Response): Promise<void> {
  expect(answer.status).toBeLessThan(500)
  if (answer.status >= 400) expect(ProblemView.parse(await answer.json()).status).toBe(answer.status)
}

const field = fc.oneof(fc.constantFrom(...FIELDS), fc.string({ unit: 'binary' }))
const json = fc.oneof(
  fc.dictionary(field, fc.jsonValue({ stringUnit: 'binary' })).map((body) => JSON.stringify(body)),
  fc.json({ stringUnit: 'binary' }),
)
const text = fc.oneof(
  json,
  fc.string({ unit: 'binary' }),
  json.chain((whole) => fc.nat(whole.length).map((end) => whole.slice(0, end))),
)

test.each(['/jobs', '/jobs/bulk', '/queues/q/pause'])('no body sent to %s is an error of ours', async (path) => {
  await fc.assert(
    fc.asyncProperty(text, async (body) => expectSane(await s.post(path, body))),
    { numRuns: 300 },
  )
})

test('no lines sent to /jobs/bulk are an error of ours', async () => {
  const lines = fc.array(fc.oneof(text, fc.constant('{"type":"t"}')), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(lines, async (each) =>
      expectSane(await s.post('/jobs/bulk', each.join('\n'), { 'content-type': 'application/x-ndjson' })),
    ),
    { numRuns: 300 },
  )
})

test('no address is an error of ours', async () => {
  const segment = fc.oneof(
    fc.constantFrom('jobs', 'queues', 'workers', 'result', 'why', '..', '%2f', '%00', '%ff', '%'),
    fc.webPath(),
  )
  const methods = [...new Set(ROUTES.map(({ method }) => method)), 'PUT', 'HEAD', 'OPTIONS']
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...methods),
      fc.array(segment, { maxLength: 4 }),
      fc.webQueryParameters(),
      async (method, segments, query) => {
        const answer = await s.ask(`/${segments.join('/')}?${query}`, { method })
        if (method === 'HEAD') expect(answer.status).toBeLessThan(500)
        else await expectSane(answer)
      },
    ),
    { numRuns: 500 },
  )
})

test('no parameter of a list is an error of ours', async () => {
  const name = fc.constantFrom(
    'state',
    'queue',
    'type',
    'tag',
    'key',
    'worker',
    'error',
    'created_after',
    'payload.a',
    'q',
    'limit',
    'cursor',
  )
  await fc.assert(
    fc.asyncProperty(name, fc.string({ unit: 'binary' }), async (parameter, value) => {
      const encoded = encodeURIComponent(value.replaceAll(/[\ud800-\udfff]/gu, ''))
      await expectSane(await s.ask(`/jobs?${parameter}=${encoded}`))
    }),
    { numRuns: 500 },
  )
})
