import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { INPUT, OUT } from './folders.js'

/**
 * Looks at what the jobs were to bring about, not at what they say: the mails that the server holds, the thumbnails on
 * disk, the words counted anew. `jobs` are `{asked, job}`: what was enqueued, and what became of it with its result.
 * Resolves with `{claim, held, of, failures}`, one for each claim.
 */
export async function checkAll(jobs, received) {
  const of = (type, tag) => jobs.filter(({ asked }) => asked.type === type && asked.tags.includes(tag))
  const mails = (tag) => of('send_email', tag)
  const exact = (entry) => mailProblem(entry, received)
  return Promise.all([
    check('every good mail was received exactly as asked', mails('good'), exact),
    check('every slow mail was received exactly as asked', mails('slow'), exact),
    check(
      'every transient mail, too, after retries',
      mails('transient'),
      (entry) => exact(entry) ?? retryProblem(entry),
    ),
    check(
      'no hopeless mail was received',
      mails('hopeless'),
      ({ job }) => received.has(messageIdOf(job)) && 'received',
    ),
    check('every hopeless job is dead and tells why', jobs.filter(isHopeless), deathProblem),
    check('every thumbnail is there, as wide as asked', of('resize_image', 'good'), thumbnailProblem),
    check('every word count is right', of('word_count', 'good'), wordCountProblem),
  ])
}

const isHopeless = ({ asked }) => asked.tags.includes('hopeless')
const messageIdOf = (job) => `<${job.id}@quickstart.example>`

async function check(claim, entries, problemOf) {
  const problems = await Promise.all(entries.map(async (entry) => ({ ...entry, problem: await problemOf(entry) })))
  const failures = problems
    .filter(({ problem }) => problem)
    .map(({ job, problem }) => `${job.id} ${job.type}, ${job.state}: ${problem}`)
  return { claim, held: entries.length - failures.length, of: entries.length, failures }
}

/** A second copy is allowed, since a job may run twice; one that differs is not. */
function mailProblem({ asked, job }, received) {
  const copies = received.get(messageIdOf(job)) ?? []
  if (job.state !== 'completed') return `expected it completed${job.error ? `: ${job.error.message}` : ''}`
  if (copies.length === 0) return 'the mail server has no such mail'
  const { email, subject, text } = asked.payload
  for (const mail of copies) {
    if (mail.recipients.join() !== email || mail.to.join() !== email) return `went to ${mail.recipients.join()}`
    if (mail.subject !== subject) return `the subject arrived as ${JSON.stringify(mail.subject)}`
    if (mail.text !== text) return `the text arrived as ${JSON.stringify(mail.text)}`
  }
  return undefined
}

const retryProblem = ({ job }) => (job.attempt < 2 ? 'was taken at its first attempt' : undefined)

function deathProblem({ job }) {
  if (job.state !== 'dead') return 'expected it dead'
  return job.error?.message ? undefined : 'has no error'
}

async function thumbnailProblem({ asked, job }) {
  if (job.state !== 'completed') return `expected it completed${job.error ? `: ${job.error.message}` : ''}`
  const { format, width } = await sharp(join(OUT, '..', job.result.file)).metadata()
  return format === 'webp' && width === asked.payload.width ? undefined : `it is ${format}, ${width} pixels wide`
}

async function wordCountProblem({ asked, job }) {
  if (job.state !== 'completed') return `expected it completed${job.error ? `: ${job.error.message}` : ''}`
  const { text, file } = asked.payload
  const { words, lines } = countWords(text ?? (await readFile(join(INPUT, 'texts', file), 'utf8')))
  const { result } = job
  return result.words === words && result.lines === lines
    ? undefined
    : `${JSON.stringify(result)}, not ${words}, ${lines}`
}

/** A line ends with a newline, or with the text. */
export const countWords = (text) => ({
  words: text.match(/[^ \t\r\n\v\f]+/g)?.length ?? 0,
  lines: text.match(/[^\n]*\n|[^\n]+$/g)?.length ?? 0,
})
