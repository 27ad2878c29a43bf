import { Command } from 'commander'
import type { Config } from '../config.ts'
import type { Cli } from './command.ts'
import type { WorkerReady } from './dev/supervisor.ts'
import { openLog } from './session.ts'
import { secretsOf } from './settings.ts'
import { afterTold, endInTime, stopOnSignal } from './stopping.ts'
import { workUntilTold } from './worker.ts'

/** The worker process of `forgeq dev`, started by it alone: its configuration comes as a message, `dev` makes it end. */
export function devWorkerCommand(cli: Cli): Command {
  const { io } = cli
  return new Command('dev-worker').action(async () => {
    const stopping = stopOnSignal(io)
    cli.running = 'forgeq dev (worker)'
    if (!process.send) return
    const received = new Promise<Config>((resolve) => process.once('message', (config) => resolve(config as Config)))
    // While the database starts.
    const [config] = await Promise.all([
      Promise.race([received, stopping.told.then(() => undefined)]),
      import('../app.ts'),
    ])
    if (!config) return
    // Nobody is left to serve for when `dev` has gone.
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
    const log = await openLog(io, { config, secrets: secretsOf(config.databaseUrl) })
    endInTime(stopping, config.graceMs, log)
    try {
      cli.exitCode = await work(cli, config, log, stopping)
    } catch (error) {
      afterTold(error, stopping, log)
    }
  })
}

async function work(
  { io }: Cli,
  config: Config,
  log: Awaited<ReturnType<typeof openLog>>,
  stopping: ReturnType<typeof stopOnSignal>,
): Promise<number> {
  const app = await io.openApp({ config, log, whenAway: 'wait', signal: stopping.signal })
  try {
    // A handler that does not compile is reported; the others are served.
    const handlers = await app.loadHandlers({ strict: false })
    if (stopping.signal.aborted) return 0 // nothing begins any more
    const worker = await app.startWorker({ handlers, exclusiveProcess: true })
    process.send?.({ types: handlers.types } satisfies WorkerReady)
    return await workUntilTold(worker, { config, log, stopping })
  } finally {
    await app.close()
  }
}
