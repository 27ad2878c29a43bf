import type { Command } from 'commander'
import { does, leaf, type Cli } from './command.ts'

export function devCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'dev',
    summary: 'all of it for development: database, HTTP API, loops, a worker that is restarted when a handler changes',
    examples: ['forgeq dev', 'forgeq dev --yes', 'forgeq dev --handlers ./jobs --port 9000'],
    settings: ['server', 'worker', 'loops', 'limits'],
  }).option('-y, --yes', 'in an empty folder: write handlers/hello.ts without asking')
  return does(cli, command, async (invocation) => {
    const { runDev } = await import('./dev/run.ts')
    await runDev(invocation, { yes: command.opts<{ yes?: boolean }>().yes ?? false })
  })
}
