import { bodyOf, type Answer, type Sender } from './sending.ts'
import { oneOf, type Random } from './random.ts'

const TIMEOUT_MS = 4_000

/** Each call goes to one of the servers. */
export function httpSender(urls: readonly string[], random: Random): Sender {
  const post = (path: string, body?: string) =>
    fetch(`${oneOf(random, urls)}${path}`, {
      method: 'POST',
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  return {
    via: 'http',
    async enqueue(requests) {
      const [first] = requests
      const isBulk = requests.length > 1
      try {
        const response = await post(
          isBulk ? '/jobs/bulk' : '/jobs',
          isBulk ? `{"jobs":[${requests.map(bodyOf).join(',')}]}` : bodyOf(first!),
        )
        const answer = (await response.json()) as {
          id?: string
          code?: string
          jobs?: { id: string; created: boolean }[]
        }
        if (response.ok)
          return {
            answer: 'acknowledged',
            jobs: answer.jobs ?? [{ id: answer.id!, created: response.status === 201 }],
          }
        return refusedOrUnknown(response.status, answer.code)
      } catch (error) {
        return { answer: 'unknown', code: (error as Error).name }
      }
    },
    async act(act, job) {
      try {
        const { ok, status } = await post(`/jobs/${job}/${act}`)
        return ok ? 'done' : refusedOrUnknown(status).answer === 'refused' ? 'refused' : 'unknown'
      } catch {
        return 'unknown'
      }
    },
  }
}

/** Only a definite no is one: 408 and everything from 500 on may have been done. */
const refusedOrUnknown = (status: number, code?: string): Answer => ({
  answer: status >= 400 && status < 500 && status !== 408 ? 'refused' : 'unknown',
  ...(code === undefined ? { code: String(status) } : { code }),
})
