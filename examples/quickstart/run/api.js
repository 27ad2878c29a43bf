import { setTimeout as pause } from 'node:timers/promises'

const TRIES = 5

/** The few calls of ForgeQ's HTTP API that the example makes, at `url`. */
export function createApi(url) {
  return {
    /** Enqueues all jobs in one call, all or none; resolves with their ids in the same order. */
    async enqueue(jobs) {
      const answer = await call(`${url}/jobs/bulk`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: jobs.map((job) => `${JSON.stringify(job)}\n`).join(''),
      })
      return answer.jobs.map(({ id }) => id)
    },

    /** All jobs with the tag, as lists show them. */
    async tagged(tag) {
      const jobs = []
      for (let cursor = ''; cursor !== null;) {
        const query = new URLSearchParams({ tag, limit: '1000', ...(cursor && { cursor }) })
        const page = await call(`${url}/jobs?${query.toString()}`)
        jobs.push(...page.items)
        cursor = page.next_cursor ?? null
      }
      return jobs
    },

    job: (id) => call(`${url}/jobs/${id}`),
  }
}

/** No answer, or a 5xx, leaves it unknown whether the call was done. Every call here can be repeated: jobs have keys. */
async function call(url, request = {}, tries = TRIES) {
  const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(30_000) }).then(
    async (response) => ({ status: response.status, text: await response.text() }),
    (error) => ({ status: 0, text: String(error.cause?.message ?? error.message) }),
  )
  if (answer.status >= 200 && answer.status < 300) return JSON.parse(answer.text)
  if (tries > 1 && (answer.status === 0 || answer.status >= 500)) {
    await pause(500)
    return call(url, request, tries - 1)
  }
  const what = `${request.method ?? 'GET'} ${new URL(url).pathname}`
  throw new Error(`${what}: ${answer.status || 'no answer'}: ${answer.text.slice(0, 2_000)}`)
}
