import { parentPort, workerData } from 'node:worker_threads'
import { connect, type Connection, type ConnectionOptions } from '../store/database.ts'
import { endSession, heartbeat } from '../store/sessions.ts'

/** What the worker hands to this thread. */
export interface HeartbeatData {
  connection: ConnectionOptions
  leaseMs: number
  heartbeatMs: number
  stallLimitMs: number
  /** Kill the process when its main thread is given up: only where the process is the worker's own. */
  exclusiveProcess: boolean
  /** Grows as long as the main thread answers. */
  pulse: SharedArrayBuffer
  /** The type of the handler that was started last, for the report of a stall. */
  lastType: SharedArrayBuffer
}

/** `renewedAt` of a session: 8 shared bytes, the `sentAt` of the newest heartbeat that renewed it. */
export type ToThread =
  | { kind: 'session'; id: string; renewedAt: SharedArrayBuffer }
  | { kind: 'status'; status: string }
  | { kind: 'stop' }
export type FromThread =
  | { kind: 'cancel'; sessionId: string; cancel: { id: string; token: number }[] }
  | { kind: 'lost'; sessionId: string }
  | { kind: 'stalled'; sessionId: string; type: string }
  | { kind: 'stopped' }

const {
  connection: options,
  leaseMs,
  heartbeatMs,
  stallLimitMs,
  exclusiveProcess,
  pulse,
  lastType,
} = workerData as HeartbeatData
const port = parentPort!
const post = (message: FromThread) => port.postMessage(message)
const monotonicMs = () => Number(process.hrtime.bigint() / 1_000_000n)

let sessionId: string | undefined
let renewedAt = new BigInt64Array(new SharedArrayBuffer(8))
let status = 'active'
let connection: Connection | undefined
let timer: NodeJS.Timeout | undefined
let beating = false
let stopping = false

/** A heartbeat that fails is tried again soon: its lease still has most of its time. */
const retryMs = Math.max(100, Math.floor(heartbeatMs / 5))

async function beat(): Promise<void> {
  if (beating || stopping || sessionId === undefined) return
  beating = true
  const mine = sessionId
  const mineRenewedAt = renewedAt
  const sentAt = monotonicMs()
  let next = heartbeatMs
  try {
    connection ??= await open()
    const { alive, cancel } = await withinMs(heartbeatMs, heartbeat(connection, { sessionId: mine, leaseMs, status }))
    // By shared memory and not by message: a main thread that a handler has blocked reads it before any message.
    if (alive) Atomics.store(mineRenewedAt, 0, BigInt(sentAt))
    if (mine === sessionId && !alive) {
      post({ kind: 'lost', sessionId: mine })
      sessionId = undefined
    } else if (mine === sessionId && cancel.length > 0) post({ kind: 'cancel', sessionId: mine, cancel })
  } catch {
    // Whatever went wrong, the worker's own deadline decides; here it is only tried again.
    void connection?.close().catch(() => {})
    connection = undefined
    next = retryMs
  }
  beating = false
  schedule(next)
}

async function open(): Promise<Connection> {
  const opened = await connect({ ...options, connectionTimeoutMillis: heartbeatMs }, 'heartbeat')
  opened.onEnd(() => {
    if (connection === opened) connection = undefined
  })
  return opened
}

/** A black hole answers nothing at all: the driver alone would wait for ever. */
function withinMs<T>(ms: number, work: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined
  return Promise.race([
    work,
    new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error('the heartbeat was not answered')), ms)
    }),
  ]).finally(() => clearTimeout(late))
}

function schedule(ms: number): void {
  clearTimeout(timer)
  if (!stopping && sessionId !== undefined) timer = setTimeout(() => void beat(), ms)
}

let lastPulse = -1
let pulsedAt = monotonicMs()
let givenUp = false

/** A main thread that has not answered for so long is given up: its jobs are better off with another worker. */
async function watchMain(): Promise<void> {
  const now = Atomics.load(new Int32Array(pulse), 0)
  if (now !== lastPulse) {
    lastPulse = now
    pulsedAt = monotonicMs()
    givenUp = false
    return
  }
  if (givenUp || stopping || monotonicMs() - pulsedAt < stallLimitMs) return
  givenUp = true
  const mine = sessionId // none: it was lost before, and the thread is stuck all the same
  sessionId = undefined
  const type = stalledType()
  const reason = `stalled: the main thread has not answered for ${Math.round(stallLimitMs / 1000)} s while ${type || 'no handler'} ran`
  if (mine !== undefined) {
    const ended = open().then((opened) => endSession(opened, { sessionId: mine, reason }))
    await withinMs(heartbeatMs, ended).catch(() => {})
  }
  post({ kind: 'stalled', sessionId: mine ?? '', type })
  if (!exclusiveProcess) return
  process.stderr.write(`${JSON.stringify({ level: 'fatal', msg: `worker ${reason}`, job_type: type })}\n`)
  process.kill(process.pid, 'SIGKILL')
}

function stalledType(): string {
  const bytes = new Uint8Array(lastType)
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(bytes.slice(0, end === -1 ? bytes.length : end))
}

const watch = setInterval(() => void watchMain(), Math.max(100, Math.min(1_000, stallLimitMs / 4)))

port.on('message', (message: ToThread) => {
  if (message.kind === 'session') {
    sessionId = message.id
    renewedAt = new BigInt64Array(message.renewedAt)
    schedule(heartbeatMs)
  } else if (message.kind === 'status') {
    status = message.status
    schedule(0)
  } else {
    stopping = true
    clearTimeout(timer)
    clearInterval(watch)
    const closed = connection ? withinMs(200, connection.close()).catch(() => {}) : Promise.resolve()
    void closed.then(() => {
      post({ kind: 'stopped' })
      port.close()
    })
  }
})
