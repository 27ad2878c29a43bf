import { setTimeout as pause } from 'node:timers/promises'

const FINAL = new Set(['completed', 'dead', 'cancelled'])
const POLL_MS = 400
// The wait for the very first job is the one that people measure.
const FIRST_POLL_MS = 50

/**
 * Polls the jobs of `run` until all of `ids` are final and resolves with them by id. `onChanges` gets, after each look,
 * the jobs that have another state or attempt than before, and all of them. Gives up when nothing has changed for
 * `stallMs`, and resolves with how things stand then.
 */
export async function follow(api, { run, ids, onChanges, stallMs = 60_000 }) {
  const wanted = new Set(ids)
  const jobs = new Map()
  let lastChange = Date.now()
  for (;;) {
    const seen = (await api.tagged(run)).filter(({ id }) => wanted.has(id))
    const changed = seen.filter((job) => {
      const before = jobs.get(job.id)
      return before?.state !== job.state || before.attempt !== job.attempt
    })
    for (const job of seen) jobs.set(job.id, job)
    if (changed.length > 0) lastChange = Date.now()
    onChanges(changed, jobs)

    const final = [...jobs.values()].filter(isFinal).length
    if (final === wanted.size || Date.now() - lastChange > stallMs) return jobs
    await pause(final === 0 ? FIRST_POLL_MS : POLL_MS)
  }
}

export const isFinal = (job) => FINAL.has(job.state)
