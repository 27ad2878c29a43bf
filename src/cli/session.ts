import type { App } from '../app.ts'
import type { Invocation } from './command.ts'
import { createLateLog } from './late-log.ts'
import { colorsAllowed } from './output.ts'
import { readSettings, type Settings } from './settings.ts'
import type { Logger, LogOptions } from '../log.ts'

/** Opens the database for one answer and lets go of it whatever happens. A database that is away is an error at once. */
export async function withApp<T>(
  invocation: Invocation,
  body: (app: App, settings: Settings) => Promise<T>,
  schema: 'check' | 'skip' = 'check',
): Promise<T> {
  const settings = await readSettings(invocation.io, invocation.command)
  // What a command does on its way is nobody's question, unless the level was asked for.
  const quiet = settings.inForce.some(({ key, origin }) => key === 'logLevel' && origin === 'default')
  const level = quiet ? 'warn' : settings.config.logLevel
  const { log, written } = createLateLog(level, () => openLog(invocation.io, settings, level))
  try {
    const app = await invocation.io.openApp({ config: settings.config, log, whenAway: 'fail', schema })
    try {
      return await body(app, settings)
    } finally {
      await app.close()
    }
  } finally {
    await written()
  }
}

/** The log of this process on stderr, with the database's password masked. */
export async function openLog(
  { stderr, env }: Pick<Invocation['io'], 'stderr' | 'env'>,
  { config, secrets }: Pick<Settings, 'config' | 'secrets'>,
  level: LogOptions['level'] = config.logLevel,
): Promise<Logger> {
  const { createLog } = await import('../log.ts')
  return createLog({
    level,
    format: config.logFormat,
    stream: stderr,
    color: stderr.isTTY === true && colorsAllowed(env),
    secrets,
  })
}
