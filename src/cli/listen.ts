import type { App } from '../app.ts'
import type { Config } from '../config.ts'
import { writeServerFile } from './server-file.ts'

/**
 * Starts the HTTP server and the loops, and leaves word of it for the commands beside it.
 * @throws {ForgeQError} `unavailable` where the port is taken, saying by whom, with `hint` for what to do
 */
export async function listen(app: App, config: Config, hint: string): Promise<{ url: string; close(): Promise<void> }> {
  const server = await app.startServer().catch(async (error: unknown) => {
    const { portTaken } = await import('./port.ts')
    throw await portTaken(error, config, hint)
  })
  if (config.loops) app.startLoops()
  writeServerFile(config, { url: server.url, pid: process.pid })
  return server
}
