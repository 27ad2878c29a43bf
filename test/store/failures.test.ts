import { expect, test } from 'vitest'
import { isLocked, isRefusal, isTransient, isUnknown, unavailable } from '../../src/store/failures.ts'
import { connect } from '../../src/store/database.ts'
import { rawSql, testDatabase } from '../support/database.ts'

const db = testDatabase()
const failure = (code: string) => Object.assign(new Error('x'), { code })

test.each(['22P05', '22003', '23505', '23514', '21000', '54001'])(
  '%s says that the values cannot be stored',
  (code) => {
    expect(isRefusal(failure(code))).toBe(true)
    expect(isTransient(failure(code))).toBe(false)
  },
)

test.each(['XX000', '26000', '42P05', '42501', '42P01', '0A000'])('%s says nothing about the values', (code) => {
  expect(isRefusal(failure(code))).toBe(false)
})

test.each([
  'ECONNRESET',
  'ENETDOWN',
  'EPIPE',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'CERT_HAS_EXPIRED',
  '57P01',
  '53300',
  '08006',
  '40P01',
  '55P03',
  '25006',
])('%s may be over soon', (code) => {
  expect(isTransient(failure(code))).toBe(true)
  expect(isRefusal(unavailable('x', failure(code)))).toBe(false)
})

test('an error of our own making is neither over soon nor an answer of the server', () => {
  expect(isTransient(new TypeError('x'))).toBe(false)
  expect(isTransient(failure('ERR_INVALID_ARG_TYPE'))).toBe(false)
  expect(isRefusal(new RangeError('Invalid string length'))).toBe(true)
})

test('only the server itself can say that nothing has happened', () => {
  expect(isUnknown(failure('EPIPE'))).toBe(true)
  expect(isUnknown(failure('57P01'))).toBe(true)
  expect(isUnknown(failure('23505'))).toBe(false)
  expect(isUnknown(failure('55P03'))).toBe(false)
})

test('our connections take no time limits from their role', async () => {
  const [row] = await db.sql<{ role: string }>(`select current_user as role`)
  await db.sql(`alter role ${row!.role} in database ${db.connection.database} set statement_timeout = '7ms'`)
  await db.sql(`alter role ${row!.role} in database ${db.connection.database} set lock_timeout = '7ms'`)
  const connection = await connect(db.connection, 'test')
  const show = async (name: string) =>
    (await rawSql<{ v: string }>(connection, `select current_setting('${name}') as v`))[0]!.v
  expect([await show('statement_timeout'), await show('lock_timeout')]).toEqual(['0', '5s'])
  await connection.close()
})

test('a statement gives up on what somebody has locked, and says so', async () => {
  await db.sql(`create table locked (id int)`)
  await db.pool.transaction(async (holder) => {
    await rawSql(holder, `lock table locked in access exclusive mode`)
    const refused = await db.sql(`select from locked`).catch((error: unknown) => error)
    expect(isLocked(refused)).toBe(true)
  })
})
