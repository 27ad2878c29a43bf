import type { Command } from 'commander'
import { does, leaf, type Cli } from '../command.ts'
import { idFrom } from '../id.ts'
import { safeLine, stateStyle } from '../output.ts'
import { withApp } from '../session.ts'

export function jobsWhyCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'why <id>',
    summary: 'why a job is not running now',
    examples: ['forgeq jobs why 01978f6e-0000-7000-8000-000000000000'],
  })
  return does(cli, command, async (invocation) => {
    const { out, args } = invocation
    const id = idFrom(args[0]!)
    await withApp(invocation, async ({ queue }) => {
      const why = await queue.jobs.why(id)
      if (out.json) return out.printJson(JSON.stringify(why))
      out.print(`${why.id}  ${out.paint(stateStyle(why.state), why.state)}`)
      for (const { message } of why.reasons) out.print(`  ${safeLine(message)}`)
    })
  })
}
