import { expect, test } from 'vitest'
import { describeDatabase, maskDatabaseUrl, parseDatabaseUrl, type DatabaseOptions } from '../../src/database-url.ts'

const HARD = 'p@s:s/w#r%d?&[]+ ü'

function options(url: string): DatabaseOptions {
  const { options, problem } = parseDatabaseUrl(url)
  if (!options) throw new Error(problem)
  return options
}

test('reads every part of a usual URL', () => {
  expect(options('postgres://bob:secret@db.example.com:6543/app?sslmode=require&application_name=mailer')).toEqual({
    host: 'db.example.com',
    port: 6543,
    user: 'bob',
    password: 'secret',
    database: 'app',
    application_name: 'mailer',
    sslMode: 'require',
    ignored: [],
  })
})

test('reads a percent-encoded password of any characters, in the login and as a parameter', () => {
  const encoded = encodeURIComponent(HARD)
  expect(options(`postgres://bob:${encoded}@localhost/app`).password).toBe(HARD)
  expect(options(`postgres://bob@localhost/app?password=${encoded}`).password).toBe(HARD)
})

test.each(['p@ss', 'a/b', 'a#b', 'a?b', 'a%b', '50%', 'a:b@c', 'x[y', HARD])(
  'advises to percent-encode a raw password and does not show it: %s',
  (password) => {
    const { problem } = parseDatabaseUrl(`postgres://bob:${password}@127.0.0.1:5432/app`)
    if (password === 'x[y') expect(problem).toBeUndefined()
    else {
      expect(problem).toContain('percent-encoded')
      expect(problem).not.toContain(`bob:${password}`)
    }
  },
)

test('reads IPv6 addresses in brackets and refuses bare ones', () => {
  expect(options('postgres://bob@[::1]:6000/app')).toMatchObject({ host: '::1', port: 6000 })
  expect(options('postgres://bob@[fe80::1]/app')).toMatchObject({ host: 'fe80::1', port: 5432 })
  expect(parseDatabaseUrl('postgres://bob@fe80::1/app').problem).toMatch(/brackets|port/)
})

test('reads unix sockets by host=, with the port in their name', () => {
  expect(options('postgres:///app?host=/var/run/postgresql&port=5433')).toMatchObject({
    host: '/var/run/postgresql',
    port: 5433,
    database: 'app',
  })
  expect(options('postgres://bob@/app?host=%2Ftmp%2Fa%20b').host).toBe('/tmp/a b')
})

test.each(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'])('accepts sslmode=%s', (mode) => {
  expect(options(`postgres://h/app?sslmode=${mode}&sslrootcert=/etc/ca.pem`)).toMatchObject({
    sslMode: mode,
    sslRootCert: '/etc/ca.pem',
  })
})

test('refuses what cannot be meant, without a word of the password', () => {
  for (const url of [
    'mysql://bob:secret@h/app',
    'postgres://bob:secret@h:99999/app',
    'postgres://bob:secret@h:port/app',
    'postgres://bob:secret@h1,h2/app',
    'postgres://bob:secret@h/app?sslmode=on',
    'postgres://bob:secret@h/app?ssl=true',
    'postgres://bob:secret@h/app?connect_timeout=soon',
    'not a url',
    '',
  ]) {
    const { problem } = parseDatabaseUrl(url)
    expect(problem, url).toBeDefined()
    expect(problem).not.toContain('secret')
  }
})

test('names parameters of other programs as ignored', () => {
  expect(options('postgres://h/app?schema=public&channel_binding=require').ignored).toEqual([
    'schema',
    'channel_binding',
  ])
})

test('falls back as libpq does: localhost, 5432, the user for the database', () => {
  expect(options('postgresql://bob@')).toMatchObject({
    host: 'localhost',
    port: 5432,
    user: 'bob',
    database: 'bob',
    sslMode: 'prefer',
  })
})

test('describes and masks a database without its password', () => {
  const url = options('postgres://bob:geheim@[::1]:6000/app?sslmode=require')
  expect(describeDatabase(url)).toBe('database app on [::1]:6000 as bob')
  expect(maskDatabaseUrl(url)).toBe('postgres://bob:***@[::1]:6000/app?sslmode=require')
  expect(describeDatabase(options('postgres://bob:geheim@/app?host=/run/pg'))).toBe(
    'database app on the socket /run/pg (port 5432) as bob',
  )
})
