import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { defineJob } from '../../src/index.ts'
import { testDatabase } from '../support/database.ts'
import { inState, jobWhen, leaveNothing, type Service, startService, startWorker } from './service.ts'

const db = testDatabase()
let service: Service

beforeAll(async () => {
  service = await startService(db)
  const fails = defineJob({
    type: 'fails',
    run() {
      throw new Error('always')
    },
  })
  await startWorker(db, { jobs: [fails] })
})
afterAll(leaveNothing)

/** Sends requests one after the other, byte for byte, over one connection; the statuses of the answers. */
async function overOneConnection(requests: string[]): Promise<number[]> {
  const { port, host } = new URL(service.url)
  const socket = connect(Number(port), '127.0.0.1').setEncoding('latin1')
  const statuses: number[] = []
  let text = ''
  for (const request of requests) {
    const answered = new Promise<void>((resolve, reject) => {
      socket.once('close', () => reject(new Error(`the connection was closed after ${text}`)))
      socket.on('data', (chunk: string) => {
        text += chunk
        const length = /^content-length: (\d+)$/im.exec(text)?.[1] ?? (/^HTTP\/1.1 204/.test(text) ? '0' : undefined)
        const end = text.indexOf('\r\n\r\n')
        if (end !== -1 && length !== undefined && text.length >= end + 4 + Number(length)) resolve()
      })
    })
    const [line, ...rest] = request.split('\n')
    socket.write([line, `host: ${host}`, ...rest, '', ''].join('\r\n'))
    await answered
    statuses.push(Number(text.split(' ')[1]))
    text = ''
    socket.removeAllListeners('data').removeAllListeners('close')
  }
  socket.destroy()
  return statuses
}

// The chunked body ends with a blank line of its own.
test.each([
  ['of no length', 'content-type: application/json'],
  ['of length 0', 'content-type: application/json\ncontent-length: 0'],
  ['of no chunk', 'content-type: application/json\ntransfer-encoding: chunked\n\n0'],
  ['of length 0 that says UTF-8', 'content-type: application/json; charset=utf-8\ncontent-length: 0'],
])('O30 an empty body %s that calls itself JSON is fine where none is needed', async (_, headers) => {
  const enqueue = async (type: string) => (await service.ask('POST', '/jobs', { type, max_attempts: 1 })).job().id
  const [dead, pending] = [await enqueue('fails'), await enqueue('unserved')]
  await jobWhen(service, dead, inState('dead'))

  const statuses = await overOneConnection([
    `DELETE /jobs/${pending} HTTP/1.1\n${headers}`,
    `POST /queues/q/pause HTTP/1.1\n${headers}`,
    `POST /jobs/${dead}/retry HTTP/1.1\n${headers}`,
    `POST /jobs HTTP/1.1\n${headers}`,
    'GET /healthz HTTP/1.1',
  ])
  expect(statuses).toEqual([204, 200, 200, 400, 200])
  expect((await service.ask('GET', `/jobs/${pending}`)).status).toBe(404)
  expect((await service.ask('GET', '/queues/q')).json()).toHaveProperty('paused')
  expect((await service.ask('GET', `/jobs/${dead}`)).json()).toMatchObject({ max_attempts: 2 })
})

test('O34 a worker of an odd name does not blind the metrics, its own or the server’s', async () => {
  const jobs = [defineJob({ type: 'odd', run: () => {} })]
  await expect(startWorker(db, { jobs, name: 'a\nforgeq_up 0' })).rejects.toMatchObject({ code: 'invalid_config' })
  const odd = 'a"b\\c{forgeq_up="0"} 0'
  const worker = await startWorker(db, { jobs, name: odd })
  const { id } = (await service.ask('POST', '/jobs', { type: 'odd', queue: 'a:b-c.d' })).job()
  await jobWhen(service, id, inState('completed'))
  const sample =
    /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\[\\n"]|[^\\"\n])*",?)*\})? (NaN|[+-]?Inf|-?\d+(\.\d+)?([eE][+-]?\d+)?)$/
  const comment = /^# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+$/
  const texts = { server: (await service.ask('GET', '/metrics')).text, worker: await worker.metrics() }
  for (const text of Object.values(texts)) {
    expect(text.endsWith('\n')).toBe(true)
    for (const line of text.split('\n').filter((one) => one !== ''))
      expect(line).toMatch(line.startsWith('#') ? comment : sample)
    expect(text).not.toMatch(/^forgeq_up 0$/m)
    const types = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
    expect(types).toEqual([...new Set(types)])
  }
  const others = ['forgeq_up', 'forgeq_jobs', 'forgeq_workers', 'forgeq_enqueued_total', 'forgeq_outcomes_total']
  const ofTheProcess = ['forgeq_loop_handled_total', 'forgeq_db_pool', 'forgeq_event_loop_lag_seconds']
  for (const name of [...others, ...ofTheProcess]) expect(texts.server).toMatch(new RegExp(`^# TYPE ${name} `, 'm'))
  expect(texts.worker).toMatch(/^# TYPE forgeq_started_total /m)
  const workers = (await service.ask('GET', '/workers')).json()
  expect(workers).toHaveProperty('items', expect.arrayContaining([expect.objectContaining({ name: odd })]))
  expect((await service.ask('GET', `/jobs?worker=${encodeURIComponent(odd)}`)).json()).toMatchObject({
    items: [{ id }],
  })
})
