import { styleText } from 'node:util'
import { isFinal } from './follow.js'
import { bad, block, good, plain, redraw, say, table } from './screen.js'

const RETRY_LINES_MS = 1_500

/** Tells what happens to the jobs, as it happens: the first one done, retries, dead ones, and a line of counts. */
export function createReporter({ total, enqueuedAt }) {
  let first = true
  let retries = new Map()
  let toldAt = 0
  return (changed, jobs) => {
    const all = [...jobs.values()]
    if (first && all.some(({ state }) => state === 'completed')) {
      first = false
      const seconds = ((Date.now() - enqueuedAt) / 1000).toFixed(1)
      say(
        `first job completed, ${process.uptime().toFixed(1)} s after the start, ${seconds} s after it was enqueued`,
        'green',
      )
    }
    addRetries(retries, changed)
    const dead = changed.filter(({ state }) => state === 'dead')
    // In the order of events: what is dead now was to be tried again before.
    if (Date.now() - toldAt > RETRY_LINES_MS || dead.length > 0 || all.every(isFinal)) {
      for (const [reason, count] of retries) say(`${count} to be tried again: ${reason}`, 'yellow')
      if (retries.size > 0) toldAt = Date.now()
      retries = new Map()
    }
    for (const job of dead) {
      say(`dead, attempt ${job.attempt}: ${job.type} ${reasonOf(job)}`, 'red')
    }
    redraw(`${all.filter(isFinal).length} of ${total} done   ${countsOf(all)}`)
  }
}

/** The same refusal of thirty addresses is one line, not thirty. */
function addRetries(reasons, changed) {
  for (const job of changed.filter(({ state }) => state === 'retrying')) {
    const reason = `${job.type} ${reasonOf(job).replace(/ \(\S+@\S+\)$/, '')}`
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
}

const reasonOf = (job) => plain(job.error?.message ?? 'without an error')

function countsOf(jobs) {
  const counts = new Map()
  for (const { state } of jobs.filter(({ state }) => state !== 'completed'))
    counts.set(state, (counts.get(state) ?? 0) + 1)
  return [...counts].map(([state, count]) => `${state} ${count}`).join('  ')
}

/** The table by kind and the checks; true when everything held. */
export function printSummary(entries, checks) {
  const kinds = new Map()
  for (const { asked, job } of entries) {
    const name = `${asked.type}, ${asked.tags[0]}`
    const row = kinds.get(name) ?? { jobs: 0, completed: 0, retried: 0, dead: 0 }
    row.jobs += 1
    row.completed += job.state === 'completed' ? 1 : 0
    row.retried += job.attempt > 1 ? 1 : 0
    row.dead += job.state === 'dead' ? 1 : 0
    kinds.set(name, row)
  }
  const rows = [...kinds].map(([name, row]) => [name, row.jobs, row.completed, row.retried, row.dead])
  block(table(['what was asked', 'jobs', 'completed', 'retried', 'dead'], rows))
  block(
    checks.flatMap(({ claim, held, of, failures }) => {
      const line = `${claim}: ${held} of ${of}`
      return held === of
        ? [good(line)]
        : [bad(line), ...failures.slice(0, 5).map((failure) => `      ${plain(failure)}`)]
    }),
  )
  return checks.every(({ held, of }) => held === of)
}

/** What to type and to open next. */
export function printNextSteps(url, deadJob) {
  const title = (text) => styleText('bold', text)
  block([
    title('Try next, in another terminal'),
    `  npx forgeq jobs list --state dead`,
    ...(deadJob ? [`  npx forgeq jobs show ${deadJob.id}`] : []),
    `  npx forgeq enqueue --type send_email --payload '{"email":"test@example.com"}'`,
    `  npx forgeq queues list`,
    '',
    title('Open'),
    `  ${url}/jobs?state=dead`,
    `  ${url}/queues`,
    `  ${url}/metrics`,
    '',
    'The mails are in examples/quickstart/out/mail, the thumbnails in out/thumbnails.',
    'Ctrl-C stops everything. Until then this terminal shows what the worker does:',
    '',
  ])
}
