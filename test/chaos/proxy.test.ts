import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openProxy, type Proxy } from './proxy.ts'

/** Answers each line with itself; remembers what it was asked and by how many. */
let server: Server
let proxy: Proxy
let folder: string
let asked: string[]
let accepted: Socket[]
let clients: Client[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'forgeq-proxy-'))
  const path = join(folder, 's')
  asked = []
  accepted = []
  clients = []
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      asked.push(chunk.toString())
      socket.write(`re: ${chunk.toString()}`)
    })
    socket.on('end', () => {
      asked.push('(end)')
      socket.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  proxy = await openProxy(path)
})

afterEach(async () => {
  for (const { socket } of clients) socket.destroy()
  for (const socket of accepted) socket.destroy()
  await proxy.close()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true })
})

interface Client {
  socket: Socket
  heard: string[]
  /** How it ended, once it has. */
  ended: string[]
}

async function client(): Promise<Client> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
  const one: Client = { socket, heard: [], ended: [] }
  clients.push(one)
  socket.on('data', (chunk) => one.heard.push(chunk.toString()))
  socket.on('end', () => one.ended.push('end'))
  socket.on('error', (error) => one.ended.push((error as NodeJS.ErrnoException).code ?? error.message))
  await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))
  return one
}

const eventually = (look: () => void) => vi.waitFor(look, { timeout: 5_000, interval: 5 })
const says = async (one: Client, text: string) => {
  one.socket.write(text)
  await eventually(() => expect(one.heard.at(-1)).toBe(`re: ${text}`))
}

test('carries both ways what it is given', async () => {
  await says(await client(), 'hello')
})

test('carries an end, and what is still said after it the other way', async () => {
  const one = await client()
  await says(one, 'hello')
  one.socket.end('last')
  await eventually(() => expect(one.ended).toEqual(['end']))
  expect(asked).toEqual(['hello', 'last', '(end)'])
  expect(one.heard.at(-1)).toBe('re: last')
})

test('holds what is asked until it is healed, and then delivers it', async () => {
  const one = await client()
  await says(one, 'first')
  proxy.hold(['asking'])
  one.socket.write('second')
  const other = await client()
  other.socket.write('from another')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(asked).toEqual(['first'])
  proxy.heal()
  await eventually(() => expect(one.heard).toEqual(['re: first', 're: second']))
  await eventually(() => expect(other.heard).toEqual(['re: from another']))
})

test('holds the answers alone: the server has heard and done it', async () => {
  const one = await client()
  await says(one, 'first')
  proxy.hold(['answering'])
  one.socket.write('second')
  await eventually(() => expect(asked).toEqual(['first', 'second']))
  expect(one.heard).toEqual(['re: first'])
  proxy.heal()
  await eventually(() => expect(one.heard).toEqual(['re: first', 're: second']))
})

test('drops on request what was held, with its connections', async () => {
  const one = await client()
  await says(one, 'first')
  proxy.hold(['asking', 'answering'])
  one.socket.write('second')
  proxy.heal('drop')
  await eventually(() => expect(one.ended.length).toBeGreaterThan(0))
  expect(asked).not.toContain('second')
  await says(await client(), 'third')
})

test('loses the answer to what is named, once the server has it', async () => {
  const one = await client()
  proxy.lose({ lose: 'answer', chance: 1, naming: ['insert'], random: () => 0 })
  await says(one, 'select')
  one.socket.write('insert')
  await eventually(() => expect(one.ended).toEqual(['ECONNRESET']))
  expect(asked.slice(0, 2)).toEqual(['select', 'insert'])
  expect(one.heard).toEqual(['re: select'])
  expect(proxy.lost).toBe(1)
  proxy.heal()
  await says(await client(), 'insert')
})

test('loses the request that is named before the server has it', async () => {
  const one = await client()
  proxy.lose({ lose: 'request', chance: 1, naming: ['insert'], random: () => 0 })
  one.socket.write('insert')
  await eventually(() => expect(one.ended).toEqual(['ECONNRESET']))
  expect(asked).not.toContain('insert')
})

test('delays what it carries and keeps its order', async () => {
  const one = await client()
  await says(one, 'first')
  proxy.delay(60)
  const before = performance.now()
  await says(one, 'second')
  // There and back.
  expect(performance.now() - before).toBeGreaterThan(115)
  one.socket.write('third')
  await eventually(() => expect(asked).toContain('third'))
  one.socket.write('fourth')
  await eventually(() => expect(one.heard.slice(-2)).toEqual(['re: third', 're: fourth']))
})

test('resets every connection, takes none while it refuses, and does again', async () => {
  const one = await client()
  await says(one, 'hello')
  proxy.refuse()
  proxy.reset()
  await eventually(() => expect(one.ended).toEqual(['ECONNRESET']))
  const refused = await client()
  await eventually(() => expect(refused.ended).toEqual(['ECONNRESET']))
  proxy.heal()
  await says(await client(), 'hello again')
})

test('closes one half: the server hears an end, and its last word still arrives', async () => {
  const one = await client()
  await says(one, 'hello')
  proxy.halfClose('asking')
  await eventually(() => expect(asked).toContain('(end)'))
  await eventually(() => expect(one.ended).toEqual(['end']))
})
