import type { Job } from '../job/job.ts'
import { nearest } from '../job/nearest.ts'
import { isFinal } from '../job/state.ts'
import type { Invocation } from './command.ts'
import type { Queue } from './figures.ts'
import { safeBlock, safeLine, stateStyle, type Output } from './output.ts'
import { serverOf } from './server-file.ts'
import type { Settings } from './settings.ts'

/** `<id>  pending`: the answer of an enqueue, tab-separated in a pipe. */
export function announce(out: Output, id: string, state: string, remark?: string): void {
  out.print(out.terminal ? `${id}  ${out.paint(stateStyle(state), state)}` : `${id}\t${state}`)
  if (remark !== undefined) out.note(remark)
}

/** What a person can do next, and what stands in the way: only where somebody reads it. */
export async function nextSteps(out: Output, queue: Queue, { config }: Settings, job: Job): Promise<void> {
  const server = serverOf(config)
  if (server) out.hint(`  at     ${server.url}/jobs/${job.id}`)
  out.hint(`  follow with  forgeq jobs show ${job.id}`)
  const types = (await queue.workers.list()).filter(({ status }) => status !== 'lost').flatMap(({ types }) => types)
  if (types.length > 0 && types.includes(job.type)) return
  const meant = nearest(job.type, types)
  out.hint(
    `  no live worker serves the type ${safeLine(job.type)}${meant === undefined ? '' : `; did you mean ${safeLine(meant)}?`}`,
  )
}

const LOOK_MS = 30_000

/** Waits for the end and prints what became of it. Exit 0 only when it is completed. */
export async function waitForEnd(
  { out, io }: Pick<Invocation, 'out' | 'io'>,
  queue: Queue,
  { id, type }: Job,
): Promise<number> {
  if (out.terminal)
    io.stderr.write(`${id} waits for a worker that serves ${safeLine(type)}; Ctrl-C leaves it on its queue\n`)
  let result = await queue.jobs.result(id, { waitMs: LOOK_MS })
  while (!isFinal(result.state)) result = await queue.jobs.result(id, { waitMs: LOOK_MS })
  if (out.json) {
    const { jobJson } = await import('../wire/jobs.ts')
    out.printJson(jobJson(await queue.jobs.get(id)))
  } else {
    announce(out, id, result.state)
    if (result.resultJson !== undefined) out.print(safeLine(result.resultJson))
    if (result.error) out.note(safeBlock(`${result.error.name}: ${result.error.message}`))
    else if (result.reason !== undefined) out.note(safeBlock(result.reason))
  }
  return result.state === 'completed' ? 0 : 1
}
