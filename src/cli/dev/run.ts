import type { Config } from '../../config.ts'
import type { Invocation } from '../command.ts'
import { safeLine } from '../output.ts'
import { refuseMissingHandlers } from '../handlers-folder.ts'
import { listen } from '../listen.ts'
import { firstFreePort } from '../port.ts'
import { removeServerFile } from '../server-file.ts'
import { openLog } from '../session.ts'
import { readSettings, type Settings } from '../settings.ts'
import { afterTold, endInTime, stopOnSignal } from '../stopping.ts'
import { enqueueHello, offerHello } from './hello.ts'
import { createSupervisor } from './supervisor.ts'
import { watchHandlers } from './watch.ts'

/** `forgeq dev` from its start to its end: resolves when it was told to stop and everything has ended. */
export async function runDev(invocation: Invocation, { yes }: { yes: boolean }): Promise<void> {
  const read = await readSettings(invocation.io, invocation.command)
  refuseMissingHandlers(read.config, invocation.io.cwd)
  const hello = await offerHello(invocation, read, yes)
  const { port, taken } = await firstFreePort(read.config)
  await run(invocation, { ...read, config: { ...read.config, port } }, hello, taken)
}

async function run(
  { io, out }: Invocation,
  settings: Settings,
  hello: boolean,
  taken: string | undefined,
): Promise<void> {
  const { config } = settings
  const log = await openLog(io, settings)
  const stopping = stopOnSignal(io)
  endInTime(stopping, config.graceMs, log)
  // Its process loads its code while the database starts.
  const worker = createSupervisor({ config, log })
  try {
    const app = await io.openApp({ config, log, whenAway: 'wait', signal: stopping.signal })
    try {
      const server = await listen(app, config, 'forgeq dev --port 0 takes a free one')
      worker.open()
      if (taken !== undefined) out.note(`${taken}; this one takes ${new URL(server.url).port}`)
      const watch = await watchHandlers(config, () => worker.restart())
      const types = await Promise.race([worker.ready, stopping.told.then(() => undefined)])
      if (types) {
        welcome({ io, out }, server.url, config, types)
        if (hello) await enqueueHello({ out }, app.queue, stopping.signal)
      }
      await stopping.told
      removeServerFile(config, process.pid)
      await watch.close()
      await Promise.all([worker.stop(config.graceMs), server.close()])
    } finally {
      await app.close()
    }
  } catch (error) {
    afterTold(error, stopping, log)
  } finally {
    await worker.stop(0)
    stopping.release()
  }
}

function welcome(
  { io, out }: Pick<Invocation, 'io' | 'out'>,
  url: string,
  { handlers }: Config,
  types: string[],
): void {
  if (out.json) return out.printJson(JSON.stringify({ url, pid: process.pid, types }))
  out.print(`ForgeQ is ready on ${out.paint('bold', url)}`)
  const served = types.map(safeLine).join(', ')
  out.print(
    types.length > 0
      ? `  handlers  ${served} from ${safeLine(handlers)}, reloaded on change`
      : `  handlers  none in ${safeLine(handlers)} yet`,
  )
  // Installed in a project, as npm shows, `forgeq` alone is not found.
  const forgeq = io.env.npm_command === undefined ? 'forgeq' : 'npx forgeq'
  const [type = 'hello'] = types
  const payload = type === 'hello' ? ` --payload '{"name":"you"}'` : ''
  out.print(`  try       ${forgeq} enqueue --type ${safeLine(type)}${payload} --wait`)
  out.print(`  look      curl ${url}/jobs   or   ${forgeq} jobs list`)
}
