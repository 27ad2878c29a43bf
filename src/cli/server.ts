import type { Command } from 'commander'
import { does, leaf, type Cli } from './command.ts'
import { listen } from './listen.ts'
import { removeServerFile } from './server-file.ts'
import { openLog } from './session.ts'
import { readSettings } from './settings.ts'
import { afterTold, endInTime, stopOnSignal } from './stopping.ts'

export function serverCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'server',
    summary: 'the HTTP API, with scheduler, recovery and retention',
    examples: ['forgeq server', 'forgeq server --port 9000 --database-url postgres://forgeq@db.example.com/app'],
    settings: ['server', 'loops', 'limits'],
  })
  return does(cli, command, async ({ io, out }) => {
    const settings = await readSettings(io, command)
    const { config } = settings
    const log = await openLog(io, settings)
    const stopping = stopOnSignal(io)
    endInTime(stopping, config.graceMs, log)
    const letMemoryBe = await io.holdMemory()
    try {
      const app = await io.openApp({ config, log, whenAway: 'wait', signal: stopping.signal })
      try {
        if (stopping.signal.aborted) return // nothing begins any more
        const server = await listen(app, config, 'forgeq server --port 0 takes a free one')
        out.print(out.json ? JSON.stringify({ url: server.url, pid: process.pid }) : `ForgeQ listens on ${server.url}`)
        log.info({ signal: await stopping.told }, 'server stops')
        removeServerFile(config, process.pid)
        await server.close()
      } finally {
        await app.close()
      }
    } catch (error) {
      afterTold(error, stopping, log)
    } finally {
      letMemoryBe()
      stopping.release()
    }
  })
}
