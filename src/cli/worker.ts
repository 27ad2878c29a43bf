import type { Command } from 'commander'
import type { HandlerSet, RunningWorker } from '../app.ts'
import type { Config } from '../config.ts'
import type { Logger } from '../log.ts'
import { does, leaf, type Cli, type Invocation } from './command.ts'
import { refuseMissingHandlers } from './handlers-folder.ts'
import type { Probed, Probes } from './probes.ts'
import { openLog } from './session.ts'
import { readSettings } from './settings.ts'
import { afterTold, endInTime, limitStop, stopOnSignal, type Stopping } from './stopping.ts'

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
  return does(cli, command, async (invocation) => {
    const { io } = invocation
    const settings = await readSettings(io, command)
    refuseMissingHandlers(settings.config, io.cwd)
    const log = await openLog(io, settings)
    const stopping = stopOnSignal(io)
    endInTime(stopping, settings.config.graceMs, log)
    const probed: Probed = {}
    const probes = await probesFor(probed, settings.config, log)
    try {
      return await work({ invocation, config: settings.config, log, stopping, probed })
    } catch (error) {
      afterTold(error, stopping, log)
      return 0
    } finally {
      await probes?.close()
      stopping.release()
    }
  })
}

async function probesFor(probed: Probed, config: Config, log: Logger): Promise<Probes | undefined> {
  if (config.metricsPort === undefined) return undefined
  const { startProbes } = await import('./probes.ts')
  return startProbes(probed, { config, log })
}

interface Work {
  invocation: Invocation
  config: Config
  log: Logger
  stopping: Stopping
  probed: Probed
}

/** Exit 0 when it was told to end, 1 when the worker gave itself up. */
async function work({ invocation: { io, out }, config, log, stopping, probed }: Work): Promise<number> {
  const app = await io.openApp({ config, log, whenAway: 'wait', signal: stopping.signal })
  try {
    const handlers = await app.loadHandlers({ strict: true })
    if (stopping.signal.aborted) return 0 // nothing begins any more
    if (config.loops) app.startLoops()
    const worker = await app.startWorker({ handlers, exclusiveProcess: true })
    Object.assign(probed, { app, worker })
    out.print(
      out.json
        ? JSON.stringify({ id: worker.id, name: worker.name, types: handlers.types })
        : describe(worker, handlers, config),
    )
    return await workUntilTold(worker, { config, log, stopping, probed })
  } finally {
    await app.close()
  }
}

/** Runs until a signal or until the worker gives itself up; then stops it within the grace period and 5 s. */
export async function workUntilTold(
  worker: RunningWorker,
  { config, log, stopping, probed = {} }: Pick<Work, 'config' | 'log' | 'stopping'> & { probed?: Probed },
): Promise<number> {
  const reason = await Promise.race([stopping.told.then(() => undefined), worker.ended])
  probed.stopping = true
  const [graceMs, code] = reason === undefined ? [config.graceMs, 0] : [0, 1]
  if (reason !== undefined) {
    log.error({ worker: worker.id, reason }, 'worker ended')
    limitStop(stopping, { graceMs, code, log })
  }
  await worker.stop({ graceMs })
  return code
}

const describe = ({ name }: RunningWorker, { types }: HandlerSet, { handlers }: Config): string =>
  types.length === 0
    ? `worker ${name} serves nothing: there is no handler in ${handlers}`
    : `worker ${name} serves ${types.join(', ')}`
