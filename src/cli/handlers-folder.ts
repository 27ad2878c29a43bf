import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../config.ts'
import { invalidConfig } from '../config/resolve.ts'

/**
 * A default folder may be missing; one that somebody named must be there.
 * @throws {ForgeQError} `invalid_config`
 */
export function refuseMissingHandlers({ handlers, handlersNamed }: Config, cwd: string): void {
  if (!handlersNamed || existsSync(resolve(cwd, handlers))) return
  throw invalidConfig([{ path: 'handlers', message: `there is no folder ${handlers}` }])
}
