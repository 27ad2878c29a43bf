import type { Command } from 'commander'
import { does, leaf, type Cli } from '../command.ts'
import { confirmed } from '../confirm.ts'
import { idFrom } from '../id.ts'
import { safeLine } from '../output.ts'
import { withApp } from '../session.ts'

export function jobsDeleteCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'delete <ids...>',
    summary: 'take jobs that are not running away for good and free their idempotency keys',
    examples: ['forgeq jobs delete 01978f6e-0000-7000-8000-000000000000 --yes'],
  }).option('-y, --yes', 'do not ask')
  return does(cli, command, async (invocation) => {
    const { out, io, args } = invocation
    const ids = args.map(idFrom)
    const yes = command.opts<{ yes?: boolean }>().yes ?? false
    return withApp(invocation, async ({ queue }) => {
      const jobs = await Promise.all(ids.map((id) => queue.jobs.get(id)))
      if (!yes && !out.json) for (const { id, type, state } of jobs) out.note(`  ${id}  ${safeLine(type)}  ${state}`)
      const what =
        ids.length === 1
          ? 'this deletes the job, its attempts and its result'
          : `this deletes ${ids.length} jobs, their attempts and results`
      if (!(await confirmed(io, what, yes))) {
        out.note('nothing was deleted')
        return 1
      }
      const answers: string[] = []
      for (const id of ids) {
        await queue.jobs.delete(id)
        answers.push(JSON.stringify({ id, deleted: true }))
        if (!out.json) out.print(out.terminal ? `${id}  deleted` : `${id}\tdeleted`)
      }
      if (out.json && ids.length > 1) out.printJsonList(answers)
      else if (out.json) out.printJson(answers[0]!)
      return 0
    })
  })
}
