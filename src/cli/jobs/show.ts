import type { Command } from 'commander'
import { msFromInstant } from '../../job/instant.ts'
import type { Attempt, Job } from '../../job/job.ts'
import { isFinal } from '../../job/state.ts'
import { does, leaf, type Cli } from '../command.ts'
import type { Why } from '../figures.ts'
import { idFrom } from '../id.ts'
import { safeBlock, safeLine, stateStyle, type Output } from '../output.ts'
import { withApp } from '../session.ts'
import { exactly, span } from '../time.ts'

export function jobsShowCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'show <id>',
    summary: 'one job: its state and why, every attempt, payload and result',
    examples: ['forgeq jobs show 01978f6e-0000-7000-8000-000000000000'],
  })
  return does(cli, command, async (invocation) => {
    const { out, args } = invocation
    const id = idFrom(args[0]!)
    await withApp(invocation, async ({ queue }) => {
      const job = await queue.jobs.get(id)
      if (out.json) return out.printJson((await import('../../wire/jobs.ts')).jobJson(job))
      printJob(out, job, isFinal(job.state) ? undefined : await queue.jobs.why(id))
    })
  })
}

function printJob(out: Output, job: Job, why: Why | undefined): void {
  out.print(`${out.paint('bold', safeLine(job.type))}  ${job.id}`)
  const line = (name: string, text: string | undefined): void => {
    if (text !== undefined && text !== '') out.print(`${name.padEnd(12)}${text}`)
  }
  const reason = job.reason === undefined ? '' : ` (${safeLine(job.reason)})`
  line('state', out.paint(stateStyle(job.state), job.state) + reason)
  for (const { message } of why?.reasons ?? []) line('why', safeLine(message))
  line('queue', safeLine(job.queue))
  line('priority', job.priority === 0 ? undefined : String(job.priority))
  line('attempt', `${job.attempt} of ${job.maxAttempts}${job.lost > 0 ? `, ${job.lost} lost with their worker` : ''}`)
  line('created', exactly(job.createdAt))
  line('runs from', job.attempt === 0 || job.state === 'retrying' ? exactly(job.runAt) : undefined)
  line('started', job.startedAt && exactly(job.startedAt))
  line('finished', job.finishedAt && exactly(job.finishedAt))
  line('expires', job.expiresAt && exactly(job.expiresAt))
  line(
    'cancelled',
    job.cancelRequestedAt && job.state === 'running' ? `asked to end ${exactly(job.cancelRequestedAt)}` : undefined,
  )
  line('worker', job.worker && safeLine(`${job.worker.name} ${job.worker.id}`))
  line('tags', job.tags.map(safeLine).join(', '))
  line('key', job.idempotencyKey && safeLine(job.idempotencyKey))
  line('progress', job.progress && `${Math.round(job.progress.value * 100)} %  ${safeLine(job.progress.message ?? '')}`)
  block(out, 'payload', pretty(job.payloadJson))
  if (job.resultJson !== undefined) block(out, 'result', pretty(job.resultJson))
  if (job.error) block(out, 'error', job.error.stack ?? `${job.error.name}: ${job.error.message}`)
  if (job.attempts && job.attempts.length > 0) {
    out.print(out.paint('bold', 'attempts'))
    for (const attempt of job.attempts) printAttempt(out, attempt)
  }
}

function block(out: Output, title: string, text: string): void {
  out.print(out.paint('bold', title))
  out.print(safeBlock(text))
}

function printAttempt(out: Output, { attempt, outcome, worker, startedAt, finishedAt, error }: Attempt): void {
  const took = finishedAt === undefined ? '' : ` after ${span(msFromInstant(finishedAt) - msFromInstant(startedAt))}`
  const by = worker ? ` by ${safeLine(worker.name)}` : ''
  out.print(`  ${attempt}  ${out.paint(stateStyle(outcome), outcome)}${took}${by}, started ${exactly(startedAt)}`)
  if (error) out.print(safeBlock(`${error.name}: ${error.message}`, '     '))
}

/**
 * JSON text over several lines. Only white space is added: parsing and printing it again would round numbers.
 * Long texts stay as they are, since a person reads them elsewhere.
 */
function pretty(json: string): string {
  const value: unknown = JSON.parse(json)
  const plain = JSON.stringify(value)
  const lossless = plain === json.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
  return lossless && json.length < 65_536 ? JSON.stringify(value, null, 2) : json
}
