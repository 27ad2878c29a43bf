import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { App, HandlerSet, RunningWorker } from '../app.ts'
import type { Config } from '../config.ts'
import { invalidConfig } from '../config/resolve.ts'
import type { Logger } from '../log.ts'
import { does, leaf, type Cli } from './command.ts'
import { startProbes } from './probes.ts'
import { openLog } from './session.ts'
import { readSettings } from './settings.ts'
import { stopLimitMs, stopOnSignal, type Stopping } from './stopping.ts'

export function workerCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'worker',
    summary: 'run jobs with the handlers of a folder',
    examples: [
      'forgeq worker --concurrency 10',
      'forgeq worker --queues emails=5,reports --handlers ./handlers --grace 25s',
    ],
    settings: ['worker', 'metrics', 'loops', 'limits'],
  })
  return does(cli, command, async ({ io, out }) => {
    const settings = await readSettings(io, command)
    const { config } = settings
    refuseMissing(config, io.cwd)
    const log = await openLog(io, settings)
    const stopping = stopOnSignal(io)
    try {
      const app = await io.openApp({ config, log, whenAway: 'wait', signal: stopping.signal })
      try {
        const handlers = await app.loadHandlers({ strict: true })
        if (config.loops) app.startLoops()
        const worker = await app.startWorker({ handlers, exclusiveProcess: true })
        out.print(
          out.json
            ? JSON.stringify({ id: worker.id, name: worker.name, types: handlers.types })
            : describe(worker, handlers, config),
        )
        return await runUntilTold({ app, worker, config, log, stopping })
      } finally {
        await app.close()
      }
    } catch (error) {
      if (!stopping.signal.aborted) throw error
      return 0
    } finally {
      stopping.release()
    }
  })
}

/** A default folder may be missing; one that somebody named must be there. */
function refuseMissing({ handlers, handlersNamed }: Config, cwd: string): void {
  if (!handlersNamed || existsSync(resolve(cwd, handlers))) return
  throw invalidConfig([{ path: 'handlers', message: `there is no folder ${handlers}` }])
}

const describe = ({ name }: RunningWorker, { types }: HandlerSet, { handlers }: Config): string =>
  types.length === 0
    ? `worker ${name} serves nothing: there is no handler in ${handlers}`
    : `worker ${name} serves ${types.join(', ')}`

interface Running {
  app: App
  worker: RunningWorker
  config: Config
  log: Logger
  stopping: Stopping
}

/** Exit 0 when it was told to end, 1 when the worker gave itself up. */
async function runUntilTold({ app, worker, config, log, stopping }: Running): Promise<number> {
  const isStopping = (): boolean => stopping.signal.aborted
  const probes =
    config.metricsPort === undefined ? undefined : await startProbes({ app, worker, config, log, isStopping })
  const ended = await Promise.race([stopping.told.then(() => undefined), worker.ended])
  const late = (): void =>
    log.warn({ worker: worker.id }, 'the stop took too long; the process ends now, leases expire on their own')
  stopping.limit(stopLimitMs(ended === undefined ? config.graceMs : 0), ended === undefined ? 0 : 1, late)
  if (ended !== undefined) log.error({ worker: worker.id, reason: ended }, 'worker ended')
  await worker.stop({ graceMs: ended === undefined ? config.graceMs : 0 })
  await probes?.close()
  return ended === undefined ? 0 : 1
}
