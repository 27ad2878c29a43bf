import type { Command } from 'commander'
import { branch, does, leaf, type Cli } from './command.ts'
import type { WorkerFigures } from './figures.ts'
import { idFrom } from './id.ts'
import { safeLine, stateStyle } from './output.ts'
import { withApp } from './session.ts'
import { printTable, type Column } from './table.ts'
import { ago, exactly } from './time.ts'

const COLUMNS: Column[] = [
  { title: 'ID', cut: 'middle' },
  { title: 'NAME', cut: 'never' },
  { title: 'STATUS', cut: 'never', style: stateStyle },
  { title: 'RUNNING', cut: 'never' },
  { title: 'QUEUES', cut: 'end' },
  { title: 'TYPES', cut: 'end' },
  { title: 'HEARTBEAT', cut: 'never' },
]

export const workersCommand = (cli: Cli): Command => branch(cli, 'workers', 'look at workers', [list(cli), show(cli)])

function list(cli: Cli): Command {
  const command = leaf(cli, { name: 'list', summary: 'every worker', examples: ['forgeq workers list'], list: true })
  return does(cli, command, async (invocation) => {
    const { out, io } = invocation
    await withApp(invocation, async ({ queue }) => {
      const workers = await queue.workers.list()
      if (out.json) out.printJsonList(await Promise.all(workers.map(json)))
      else if (workers.length === 0) out.note('no worker; start one with  forgeq worker')
      else
        await printTable(
          out,
          COLUMNS,
          workers.map((worker) => rowOf(worker, out.terminal)),
          io.stdout.columns,
        )
    })
  })
}

function show(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'show <id>',
    summary: 'one worker',
    examples: ['forgeq workers show 01978f6e-0000-7000-8000-000000000000'],
  })
  return does(cli, command, async (invocation) => {
    const { out, args } = invocation
    const id = idFrom(args[0]!)
    await withApp(invocation, async ({ queue }) => {
      const worker = await queue.workers.get(id)
      if (out.json) return out.printJson(await json(worker))
      out.print(`${out.paint('bold', safeLine(worker.name))}  ${worker.id}`)
      const line = (title: string, text: string): void => out.print(`${title.padEnd(12)}${text}`)
      line('status', out.paint(stateStyle(worker.status), worker.status))
      line('running', `${worker.running} of ${worker.concurrency}`)
      line('process', safeLine(`${worker.pid} on ${worker.host}, version ${worker.version}`))
      line('queues', worker.queues.length === 0 ? 'all' : worker.queues.map(safeLine).join(', '))
      line('types', worker.types.map(safeLine).join(', ') || 'none')
      line('started', exactly(worker.startedAt))
      line('heartbeat', exactly(worker.lastHeartbeatAt))
      line('expires', exactly(worker.expiresAt))
    })
  })
}

async function json(worker: WorkerFigures): Promise<string> {
  const { toSnake } = await import('../wire/snake.ts')
  return JSON.stringify(toSnake(worker))
}

const rowOf = (worker: WorkerFigures, terminal: boolean): string[] => [
  worker.id,
  worker.name,
  worker.status,
  `${worker.running}/${worker.concurrency}`,
  worker.queues.join(',') || 'all',
  worker.types.join(',') || 'none',
  terminal ? ago(worker.lastHeartbeatAt) : worker.lastHeartbeatAt,
]
