import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from 'uuidv7'

export interface Callers {
  /** Ids that the server has acknowledged. */
  acknowledged: string[]
  /** Requests without an answer. */
  unanswered: number
  stop(): Promise<void>
}

/** Calls a server as long as it is there: enqueues without a pause, waits for results, and `slow` begins a request that it never ends. */
export function callServer(url: string, { most, slow: isSlow }: { most: number; slow: boolean }): Callers {
  const stopped = new AbortController()
  const callers: Callers = { acknowledged: [], unanswered: 0, stop }
  const running = Promise.all([enqueue(), enqueue(), wait()])
  const { hostname, port } = new URL(url)
  const slow = isSlow ? connect(Number(port), hostname) : undefined
  slow?.on('error', () => {}).write('POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Le')

  async function enqueue(): Promise<void> {
    while (!stopped.signal.aborted && callers.acknowledged.length < most) {
      const id = uuidv7()
      try {
        const answer = await fetch(`${url}/jobs`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ type: 'job', id, payload: { ms: 20 } }),
          signal: stopped.signal,
        })
        if (answer.status === 201) callers.acknowledged.push(id)
        await answer.arrayBuffer()
      } catch {
        if (!stopped.signal.aborted) callers.unanswered++
        await sleep(50)
      }
    }
  }

  async function wait(): Promise<void> {
    while (!stopped.signal.aborted) {
      const id = callers.acknowledged.at(-1) ?? uuidv7()
      const answer = await fetch(`${url}/jobs/${id}/result?wait=30s`, { signal: stopped.signal }).catch(() => undefined)
      await answer?.arrayBuffer().catch(() => {})
      await sleep(50)
    }
  }

  async function stop(): Promise<void> {
    stopped.abort()
    slow?.destroy()
    await running
  }

  return callers
}
