import type { Command } from 'commander'
import { ForgeQError, isForgeQError } from '../errors.ts'
import { formatDuration, parseDuration, DURATION_HELP } from '../job/duration.ts'
import { instantFromMs, INSTANT_HELP, parseInstant } from '../job/instant.ts'
import { nearest } from '../job/nearest.ts'
import { isQueueName, QUEUE_HELP } from '../job/name.ts'
import { branch, does, leaf, type Cli } from './command.ts'
import { UsageError } from './failure.ts'
import type { Queue, QueueFigures } from './figures.ts'
import { safeLine, type Output } from './output.ts'
import { withApp } from './session.ts'
import { printTable, type Column } from './table.ts'
import { exactly, span } from './time.ts'

const COLUMNS: Column[] = [
  { title: 'QUEUE', cut: 'never' },
  ...['PENDING', 'RUNNING', 'SCHEDULED', 'RETRYING', 'DEAD', 'OLDEST', 'IN/s', 'OUT/s', 'WORKERS'].map(
    (title): Column => ({ title, cut: 'never' }),
  ),
]

export const queuesCommand = (cli: Cli): Command =>
  branch(cli, 'queues', 'look at queues, pause and resume them', [list(cli), show(cli), pause(cli), resume(cli)])

function list(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'list',
    summary: 'every queue with its figures',
    examples: ['forgeq queues list'],
    list: true,
  })
  return does(cli, command, async (invocation) => {
    const { out, io } = invocation
    await withApp(invocation, async ({ queue }) => {
      const queues = await queue.queues.list()
      if (out.json) out.printJsonList(await Promise.all(queues.map(json)))
      else if (queues.length === 0) out.note('no queue yet; the first job makes its queue')
      else if (!out.terminal)
        await printTable(
          out,
          COLUMNS,
          queues.map((each) => [...rowOf(each), noteOf(each)]),
        )
      else {
        await printTable(out, COLUMNS, queues.map(rowOf), io.stdout.columns)
        for (const each of queues)
          if (noteOf(each)) out.print(out.paint('yellow', `${safeLine(each.name)}: ${noteOf(each)}`))
      }
    })
  })
}

function show(cli: Cli): Command {
  const command = leaf(cli, { name: 'show <queue>', summary: 'one queue', examples: ['forgeq queues show emails'] })
  return does(cli, command, async (invocation) => {
    const { out } = invocation
    const name = nameFrom(invocation.args[0]!)
    await withApp(invocation, async ({ queue }) => {
      await print(out, await known(queue, name, () => queue.queues.get(name)))
    })
  })
}

function pause(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'pause <queue>',
    summary: 'start no more jobs of a queue; those that run finish',
    examples: ['forgeq queues pause emails --reason "provider is down" --until 30m'],
  })
    .option('--reason <text>', 'shown wherever the pause is')
    .option('--until <time>', 'ends by itself: RFC 3339 with offset, or a duration from now')
  return does(cli, command, async (invocation) => {
    const { out, io, args } = invocation
    const name = nameFrom(args[0]!)
    const { reason, until } = command.opts<{ reason?: string; until?: string }>()
    const by = io.env.USER ?? io.env.LOGNAME ?? io.env.USERNAME
    const options = {
      ...(reason !== undefined && { reason }),
      ...(until !== undefined && { until: untilFrom(until) }),
      ...(by && { by }),
    }
    await withApp(invocation, async ({ queue }) => {
      await print(out, await known(queue, name, () => queue.queues.pause(name, options)))
      out.hint(`  resume with  forgeq queues resume ${name}`)
    })
  })
}

function resume(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'resume <queue>',
    summary: 'end a pause',
    examples: ['forgeq queues resume emails'],
  })
  return does(cli, command, async (invocation) => {
    const name = nameFrom(invocation.args[0]!)
    await withApp(invocation, async ({ queue }) => {
      await print(invocation.out, await known(queue, name, () => queue.queues.resume(name)))
    })
  })
}

function nameFrom(text: string): string {
  const shown = JSON.stringify(text.slice(0, 80))
  if (isQueueName(text)) return text
  throw new UsageError(`${shown}: ${QUEUE_HELP}`, 'forgeq queues list shows what there is')
}

function untilFrom(text: string): string {
  const ms = parseDuration(text)
  const instant = ms === undefined ? parseInstant(text) : instantFromMs(Date.now() + ms)
  if (instant === undefined) throw new UsageError(`--until: ${INSTANT_HELP}; ${DURATION_HELP}`)
  return instant
}

/** An unknown name with the one that was meant. */
async function known<T>(queue: Queue, name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!isForgeQError(error, 'queue_not_found')) throw error
    const meant = nearest(
      name,
      (await queue.queues.list()).map((each) => each.name),
    )
    if (meant === undefined) throw error
    throw new ForgeQError('queue_not_found', `${error.message}; did you mean ${meant}?`, {
      details: error.details,
      cause: error,
    })
  }
}

async function json(figures: QueueFigures): Promise<string> {
  const { toSnake } = await import('../wire/snake.ts')
  return JSON.stringify(toSnake(figures))
}

async function print(out: Output, figures: QueueFigures): Promise<void> {
  if (out.json) return out.printJson(await json(figures))
  const { name, depth, paused, rates, workers, oldestPendingSeconds, waitingWorkSeconds } = figures
  out.print(out.paint('bold', safeLine(name)))
  const line = (title: string, text: string): void => out.print(`${title.padEnd(12)}${text}`)
  if (paused) line('paused', pauseText(paused))
  for (const [state, count] of Object.entries(depth)) if (count > 0) line(state, String(count))
  if (oldestPendingSeconds !== undefined) line('oldest', `${span(oldestPendingSeconds * 1000)} waiting`)
  line('rates', `${perSecond(rates.enqueued)}/s in, ${perSecond(rates.finished)}/s out`)
  line('workers', String(workers))
  if (waitingWorkSeconds !== undefined)
    line('work', `${formatDuration(Math.round(waitingWorkSeconds) * 1000)} of it waiting`)
  const unserved = unservedText(figures)
  if (unserved) line('note', out.paint('yellow', unserved))
}

const perSecond = (rate: number): string => (rate >= 10 ? rate.toFixed(0) : rate.toFixed(1))

function pauseText({ reason, by, since, until }: NonNullable<QueueFigures['paused']>): string {
  const words = [`since ${exactly(since)}`, by && `by ${by}`, until && `until ${exactly(until)}`]
  return safeLine(words.filter(Boolean).join(' ') + (reason === undefined ? '' : `: ${reason}`))
}

const unservedText = ({ unservedTypes }: QueueFigures): string =>
  unservedTypes.length === 0 ? '' : `no live worker serves ${unservedTypes.map(safeLine).join(', ')}`

const rowOf = (figures: QueueFigures): string[] => [
  figures.name,
  ...[
    figures.depth.pending,
    figures.depth.running,
    figures.depth.scheduled,
    figures.depth.retrying,
    figures.depth.dead,
  ].map(String),
  figures.oldestPendingSeconds === undefined ? '-' : span(figures.oldestPendingSeconds * 1000),
  perSecond(figures.rates.enqueued),
  perSecond(figures.rates.finished),
  String(figures.workers),
]

function noteOf(figures: QueueFigures): string {
  const { paused } = figures
  const reason = paused?.reason === undefined ? '' : `: ${safeLine(paused.reason)}`
  return [paused ? `paused${reason}` : '', unservedText(figures)].filter(Boolean).join('; ')
}
