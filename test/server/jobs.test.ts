import { beforeEach, describe, expect, test } from 'vitest'
import { ForgeQError } from '../../src/errors.ts'
import { JobView } from '../../src/wire/jobs.ts'
import { page } from '../../src/wire/page.ts'
import { WhyView } from '../../src/wire/why.ts'
import { jobOf } from './fake-queue.ts'
import { setUp, type Setup } from './setup.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const UNKNOWN = '0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b'

let s: Setup
beforeEach(() => {
  s = setUp()
})

const add = (more: Parameters<typeof jobOf>[1]) => {
  const job = jobOf({ type: 't' }, more)
  s.fake.jobsById.set(job.id, job)
  return job.id
}
const statusAndCode = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code]

test('shows a job by its id in either case', async () => {
  const id = add({})
  const answer = await s.ask(`/jobs/${id.toUpperCase()}`)
  expect(answer.status).toBe(200)
  expect(JobView.parse(await answer.json()).id).toBe(id)
})

test('answers HEAD as GET without a body', async () => {
  const answer = await s.ask(`/jobs/${add({})}`, { method: 'HEAD' })
  expect([answer.status, await answer.text()]).toEqual([200, ''])
})

test.each(['', '/result', '/why'])('answers 404 for an unknown job%s and 422 for what is no id', async (end) => {
  expect(await statusAndCode(await s.ask(`/jobs/${UNKNOWN}${end}`))).toEqual([404, 'job_not_found'])
  expect(await statusAndCode(await s.ask(`/jobs/not-a-uuid${end}`))).toEqual([422, 'invalid_id'])
})

describe('GET /jobs', () => {
  test('lists newest first, with a cursor while there is more', async () => {
    const ids = [add({}), add({}), add({})]
    const first = page(JobView).parse(await (await s.ask('/jobs?limit=2')).json())
    expect(first.items.map(({ id }) => id)).toEqual([ids[2], ids[1]])
    expect(first.next_cursor).toBe('more')
    const all = page(JobView).parse(await (await s.ask('/jobs')).json())
    expect(all.next_cursor).toBeNull()
  })

  test('hands every filter to the queue', async () => {
    await s.ask('/jobs?state=dead&tag=a+b&q=50%25&payload.user.id=5')
    expect(s.fake.calls).toEqual([
      ['list', { states: ['dead'], tag: 'a b', q: '50%', payload: [{ path: ['user', 'id'], value: '5' }], limit: 100 }],
    ])
  })

  test.each(['?stat=dead', '?limit=0', '?cursor=bad', '?group=g', '?q=%E0%A4%A', '?%=1', '?queue=a&queue=b'])(
    'answers 400 for %s',
    async (query) => {
      expect(await statusAndCode(await s.ask(`/jobs${query}`))).toEqual([400, 'invalid_request'])
    },
  )

  test('tells how far a search came that ran out of time', async () => {
    s.fake.jobs.list = async () => ({ items: [], nextCursor: 'c', searchedUntil: '2027-06-01T12:00:00.000000Z' })
    expect(await (await s.ask('/jobs?q=x')).json()).toEqual({
      items: [],
      next_cursor: 'c',
      searched_until: '2027-06-01T12:00:00.000000Z',
    })
  })

  test('cuts a large payload and keeps the digits of a small one', async () => {
    add({ payloadJson: `"${'x'.repeat(5_000)}"` })
    add({ payloadJson: '9007199254740993' })
    const text = await (await s.ask('/jobs')).text()
    expect(text).toContain('"payload":9007199254740993,')
    expect(text).toContain('"payload_truncated":true')
    expect(text.length).toBeLessThan(5_500)
  })
})

describe('GET /jobs/{id}/result', () => {
  test('answers 202 with the state while the job is not final', async () => {
    const answer = await s.ask(`/jobs/${add({})}/result`)
    expect(answer.status).toBe(202)
    expect(await answer.json()).toEqual({ state: 'pending' })
  })

  test('answers 200 with the result’s digits or with the error', async () => {
    const done = await s.ask(`/jobs/${add({ state: 'completed', resultJson: '9007199254740993' })}/result`)
    expect([done.status, await done.text()]).toEqual([200, '{"state":"completed","result":9007199254740993}'])
    const error = { name: 'Error', message: 'no', fingerprint: 'f' }
    const dead = await s.ask(`/jobs/${add({ state: 'dead', reason: 'attempts', error })}/result?wait=0s`)
    expect([dead.status, await dead.json()]).toEqual([200, { state: 'dead', reason: 'attempts', error }])
  })

  test('waits for the end of the job', async () => {
    const id = add({ state: 'running' })
    const answer = s.ask(`/jobs/${id}/result?wait=30s`)
    await expect.poll(() => s.fake.waiting).toBe(1)
    Object.assign(s.fake.jobsById.get(id)!, { state: 'completed', resultJson: '1' })
    s.fake.settle()
    expect(await (await answer).json()).toEqual({ state: 'completed', result: 1 })
    expect(s.fake.calls).toEqual([['result', id, 30_000]])
  })

  test('lets go when the client goes', async () => {
    const controller = new AbortController()
    void s.ask(`/jobs/${add({ state: 'running' })}/result?wait=30s`, { signal: controller.signal })
    await expect.poll(() => s.fake.waiting).toBe(1)
    controller.abort()
    await expect.poll(() => s.fake.waiting).toBe(0)
  })

  test.each(['61s', '30', '', 'PT2M', '-1s'])('refuses to wait for %j', async (wait) => {
    expect(await statusAndCode(await s.ask(`/jobs/${add({})}/result?wait=${wait}`))).toEqual([400, 'invalid_request'])
  })

  test('answers 410 for an id that is older than the retention', async () => {
    s.fake.failure = new ForgeQError('job_expired', 'the id is older than the retention')
    expect(await statusAndCode(await s.ask(`/jobs/${UNKNOWN}/result`))).toEqual([410, 'job_expired'])
  })
})

test('says why in the names of the wire', async () => {
  const view = WhyView.parse(await (await s.ask(`/jobs/${add({})}/why`)).json())
  expect(view.reasons).toEqual([{ code: 'behind', message: 'behind 3', details: { jobs_ahead: 3 } }])
})

describe('acts on one job', () => {
  test.each([
    ['retry', 'dead', 'pending'],
    ['run', 'scheduled', 'pending'],
    ['cancel', 'pending', 'cancelled'],
  ] as const)('%s changes a %s job and answers with it', async (act, from, to) => {
    const answer = await s.post(`/jobs/${add({ state: from })}/${act}`, undefined, JSON_TYPE)
    expect(answer.status).toBe(200)
    expect(JobView.parse(await answer.json()).state).toBe(to)
  })

  test('delete answers 204, then the job is unknown', async () => {
    const id = add({})
    const answer = await s.ask(`/jobs/${id}`, { method: 'DELETE', headers: JSON_TYPE })
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    expect((await s.ask(`/jobs/${id}`)).status).toBe(404)
  })

  test.each(['retry', 'run', 'cancel'])('%s of a running job answers 409 with the state', async (act) => {
    const id = add({ state: 'running' })
    const answer = await s.post(`/jobs/${id}/${act}`)
    expect(answer.status).toBe(409)
    expect(await answer.json()).toMatchObject({ code: 'wrong_state', state: 'running', id })
  })

  test('takes an empty object and refuses a field or something else', async () => {
    const id = add({ state: 'dead' })
    expect(await statusAndCode(await s.post(`/jobs/${id}/retry`, { delay: '5s' }))).toEqual([400, 'invalid_request'])
    expect(await statusAndCode(await s.post(`/jobs/${id}/retry`, '[]'))).toEqual([400, 'invalid_request'])
    expect(await statusAndCode(await s.post(`/jobs/${id}/retry`, '{'))).toEqual([400, 'invalid_json'])
    expect(s.fake.calls).toEqual([])
    expect((await s.post(`/jobs/${id}/retry`, {})).status).toBe(200)
  })
})
