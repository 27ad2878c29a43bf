import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Invocation } from '../command.ts'
import type { Queue } from '../figures.ts'
import { canAsk } from '../io.ts'
import { safeLine, stateStyle } from '../output.ts'
import type { Settings } from '../settings.ts'

const FILE = join('handlers', 'hello.ts')

const FIRST_RESULT_MS = 30_000

const HELLO = `// Serves jobs of type "hello": the file's name is the type. Save a change and the next job runs it.
export default async ({ name }: { name: string }) => {
  return \`Hello, \${name}!\`
}
`

/** In a folder that has nothing yet: offers to write the first handler. True when it was written. */
export async function offerHello({ io, out }: Invocation, { config, file }: Settings, yes: boolean): Promise<boolean> {
  if (file !== undefined || config.handlersNamed || existsSync(resolve(io.cwd, config.handlers))) return false
  const wanted = yes || (canAsk(io) && isYes(await io.ask(`There are no handlers here. Write ${FILE}? [Y/n] `)))
  if (!wanted) {
    out.note(`no handlers here; forgeq dev --yes writes ${FILE}, a first one to change`)
    return false
  }
  const path = join(io.cwd, FILE)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, HELLO, { flag: 'wx' })
  out.note(`wrote ${FILE}`)
  return true
}

const isYes = (answer: string): boolean => /^(y(es)?)?$/i.test(answer.trim())

/** Runs one job through the new handler and prints what came of it. */
export async function enqueueHello({ out }: Pick<Invocation, 'out'>, queue: Queue, signal: AbortSignal): Promise<void> {
  const { enqueueFromFields } = await import('../../wire/enqueue-body.ts')
  const { job: asked } = enqueueFromFields({ type: 'hello' }, '{"name":"world"}', { maxPayloadBytes: 1_024 })
  const { job } = await queue.enqueue(asked!)
  if (!job) return
  const { state, resultJson, error } = await queue.jobs.result(job.id, { waitMs: FIRST_RESULT_MS, signal })
  if (signal.aborted) return
  const came = resultJson ?? (error ? `${error.name}: ${error.message}` : 'nothing yet')
  if (out.json) out.printJson((await import('../../wire/jobs.ts')).jobJson(await queue.jobs.get(job.id)))
  else out.print(`  first job  ${job.id} ${out.paint(stateStyle(state), state)}: ${safeLine(came)}`)
}
