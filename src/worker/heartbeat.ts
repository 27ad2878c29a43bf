import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ConnectionOptions } from '../store/database.ts'
import type { FromThread, HeartbeatData, ToThread } from './heartbeat-thread.ts'

export interface HeartbeatOptions {
  connection: ConnectionOptions
  leaseMs: number
  heartbeatMs: number
  stallLimitMs: number
  exclusiveProcess: boolean
  onCancel(sessionId: string, cancel: { id: string; token: number }[]): void
  onLost(sessionId: string): void
  onStalled(sessionId: string, type: string): void
  /** The thread itself has died: nothing renews a session any more. */
  onBroken(error: Error): void
}

export interface Heartbeat {
  /** Renews this session from now on. Returns when (`monotonicMs`) the newest heartbeat that renewed it was sent; 0: none yet. */
  follow(sessionId: string): () => number
  /** Told to the store with the next heartbeat, at once. */
  setStatus(status: 'active' | 'draining' | 'stuck'): void
  /** Notes which handler starts; read by the thread when the main thread is stuck in it. */
  noteStart(type: string): void
  stop(): Promise<void>
}

/** Milliseconds of a clock that no change of the wall clock moves, the same in all threads of the process. */
export function monotonicMs(): number {
  // `performance.now` is the same clock from another start, and makes no BigInt: this is asked before each start of a job.
  originMs ??= Number(process.hrtime.bigint()) / 1e6 - performance.now()
  return originMs + performance.now()
}
let originMs: number | undefined

const TYPE_BYTES = 512
const PULSE_MS = 1_000
/** The pulse beats so often at least within the time without one that is a stall. */
const PULSES = 8

/**
 * Renews the session from a thread of its own with a connection of its own: a handler that blocks the event loop does
 * not lose its leases, one that blocks it for longer than the stall limit does.
 */
export function startHeartbeat({ onCancel, onLost, onStalled, onBroken, ...options }: HeartbeatOptions): Heartbeat {
  const pulse = new SharedArrayBuffer(4)
  const lastType = new SharedArrayBuffer(TYPE_BYTES)
  const workerData: HeartbeatData = { ...options, pulse, lastType }
  // From the sources the thread is TypeScript, from the build JavaScript.
  const file = new URL(`heartbeat-thread${extname(import.meta.url)}`, import.meta.url)
  const thread = new Worker(file, { workerData, name: 'forgeq heartbeat' })
  const send = (message: ToThread) => thread.postMessage(message)

  let stopped: (() => void) | undefined
  const gone = new Promise<void>((resolve) => (stopped = resolve))
  thread.on('message', (message: FromThread) => {
    if (message.kind === 'cancel') onCancel(message.sessionId, message.cancel)
    else if (message.kind === 'lost') onLost(message.sessionId)
    else if (message.kind === 'stalled') onStalled(message.sessionId, message.type)
    else stopped?.()
  })
  thread.on('error', (error) => {
    stopped?.()
    onBroken(error)
  })
  thread.on('exit', () => stopped?.())

  const beat = new Int32Array(pulse)
  const pulseTimer = setInterval(() => Atomics.add(beat, 0, 1), Math.min(PULSE_MS, options.stallLimitMs / PULSES))
  const encoded = new Map<string, Uint8Array>()
  const shown = new Uint8Array(lastType)
  let noted = ''
  let shownStatus = 'active'

  return {
    follow(id) {
      const renewedAt = new BigInt64Array(new SharedArrayBuffer(8))
      send({ kind: 'session', id, renewedAt: renewedAt.buffer })
      return () => Number(Atomics.load(renewedAt, 0))
    },
    setStatus(status) {
      if (status !== shownStatus) send({ kind: 'status', status: (shownStatus = status) })
    },
    noteStart(type) {
      if (type === noted) return
      noted = type
      let bytes = encoded.get(type)
      if (!bytes) encoded.set(type, (bytes = new TextEncoder().encode(`${type}\0`).slice(0, TYPE_BYTES)))
      shown.set(bytes)
    },
    async stop() {
      clearInterval(pulseTimer)
      send({ kind: 'stop' })
      await gone
      await thread.terminate()
    },
  }
}
