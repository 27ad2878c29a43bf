import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import type { JobView } from '../../src/wire/jobs.ts'
import type { ForgeQ } from '../../src/forgeq.ts'
import { client, leaveNothing, type Service, startService } from './service.ts'

const db = testDatabase()
let service: Service
let forgeq: ForgeQ

beforeAll(async () => {
  // Nothing promotes what is due, so every job stays as it was enqueued.
  service = await startService(db, { loops: false })
  forgeq = client(db)
})
afterAll(leaveNothing)

const jobs = async (): Promise<number> =>
  (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n

const micros = (instant: string): bigint =>
  BigInt(Date.parse(`${instant.slice(0, 19)}Z`)) * 1_000n + BigInt(instant.slice(20, -1).padEnd(6, '0'))

async function enqueue(fields: Record<string, unknown>): Promise<JobView> {
  const answer = await service.ask('POST', '/jobs', { type: 'unserved', ...fields })
  expect(answer.status, answer.text).toBe(201)
  const made = answer.job()
  const { attempts: _, ...shown } = (await service.ask('GET', `/jobs/${made.id}`)).job()
  expect(shown).toEqual(made)
  return made
}

async function expectRefused(field: string, value: unknown): Promise<void> {
  const before = await jobs()
  const answer = await service.ask('POST', '/jobs', { type: 'unserved', [field]: value })
  expect(answer.status).toBe(422)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.problem().errors?.map(({ path }) => path)).toEqual([field])
  expect(await jobs()).toBe(before)
}

describe('O11 instants are RFC 3339 and nothing else', () => {
  test.each([
    ['2027-06-01t12:00:00z', '2027-06-01T12:00:00.000000Z'],
    ['2027-06-01T12:00:00+14:00', '2027-05-31T22:00:00.000000Z'],
    ['2027-06-01T12:00:00-00:30', '2027-06-01T12:30:00.000000Z'],
    ['2027-06-01T12:00:00-00:00', '2027-06-01T12:00:00.000000Z'],
    ['2027-12-31T23:30:00-03:30', '2028-01-01T03:00:00.000000Z'],
    // Never earlier than asked: what is finer than a microsecond is rounded up.
    ['2027-06-01T12:00:00.123456789Z', '2027-06-01T12:00:00.123457Z'],
  ])('%s is taken and given back as the same instant, over HTTP and by the library', async (text, instant) => {
    expect((await enqueue({ run_at: text })).run_at).toBe(instant)
    expect((await forgeq.enqueue('unserved', {}, { runAt: text })).runAt).toBe(instant)
  })

  test.each([
    '2027-06-01T12:00:00',
    '2027-06-01',
    '2027-06-01T12:00Z',
    '2027-02-29T00:00:00Z',
    '2027-06-01T12:00:60Z',
    '2027-06-30T23:59:60Z',
    '2027-06-01T12:00:00.Z',
    '2027-06-01T12:00:00,5Z',
    '2027-06-01T12:00:00+14',
    '2027-06-01T12:00:00+24:00',
    '2027-06-01T24:00:00Z',
    '10000-01-01T00:00:00Z',
    'Tue, 01 Jun 2027 12:00:00 GMT',
    1_811_851_200,
  ])('%j is refused over HTTP and by the library, and nothing is stored', async (value) => {
    await expectRefused('run_at', value)
    await expectRefused('expires_at', value)
    await expect(forgeq.enqueue('unserved', {}, { runAt: value as string })).rejects.toMatchObject({
      code: 'invalid_job',
      errors: [{ path: 'run_at' }],
    })
  })
})

describe('O12 durations', () => {
  test.each([
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['PT0.5S', 500],
    ['PT1.5H', 5_400_000],
    ['P1DT12H', 129_600_000],
    ['P1W', 604_800_000],
    ['PT36H', 129_600_000],
    ['0s', 0],
  ])('%s is %i ms, over HTTP and by the library', async (text, ms) => {
    const made = await enqueue({ delay: text })
    expect(made.state).toBe(ms === 0 ? 'pending' : 'scheduled')
    expect(Number(micros(made.run_at) - micros(made.created_at)) / 1_000).toBe(ms)
    const { runAt, createdAt } = await forgeq.enqueue('unserved', {}, { delay: text })
    expect(Number(micros(runAt) - micros(createdAt)) / 1_000).toBe(ms)
  })

  test.each([
    '90',
    90,
    '1.5h',
    '1h30m',
    'P1M',
    'P1Y',
    'P',
    'PT',
    'P12M4M',
    '-5s',
    'PT-5S',
    '30 s',
    '5M',
    '٣٠s',
    'PT4294967297M',
    'PT999900000000000000000000000000000002S',
    '1e3s',
    '',
    ' 30s',
    '30s\n',
  ])('%j is refused over HTTP and by the library, and nothing is stored', async (value) => {
    for (const field of ['delay', 'expires_in', 'timeout', 'keep_for']) await expectRefused(field, value)
    await expect(forgeq.enqueue('unserved', {}, { delay: value as string })).rejects.toMatchObject({
      code: 'invalid_job',
      errors: [{ path: 'delay' }],
    })
  })
})
