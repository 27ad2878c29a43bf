import type { Command } from 'commander'
import { ForgeQError } from '../../errors.ts'
import type { Job } from '../../job/job.ts'
import { nearest } from '../../job/nearest.ts'
import { JOB_STATES } from '../../job/state.ts'
import { does, leaf, type Cli } from '../command.ts'
import type { Queue } from '../figures.ts'
import { stateStyle } from '../output.ts'
import { withApp } from '../session.ts'
import { printTable, type Column } from '../table.ts'
import { ago } from '../time.ts'

/** Flags and the names that the HTTP API has for them. */
const FILTERS = {
  state: 'state',
  queue: 'queue',
  type: 'type',
  tag: 'tag',
  key: 'key',
  worker: 'worker',
  error: 'error',
  createdAfter: 'created_after',
  createdBefore: 'created_before',
  finishedAfter: 'finished_after',
  search: 'q',
  limit: 'limit',
  cursor: 'cursor',
} as const

const COLUMNS: Column[] = [
  { title: 'ID', cut: 'middle' },
  { title: 'TYPE', cut: 'never' },
  { title: 'QUEUE', cut: 'never', usual: 'default' },
  { title: 'STATE', cut: 'never', style: stateStyle },
  { title: 'RUN', cut: 'never' },
  { title: 'CREATED', cut: 'never' },
  { title: 'ERROR', cut: 'end', usual: '' },
]

export function jobsListCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'list',
    summary: 'jobs, newest first',
    examples: [
      'forgeq jobs list --state dead,retrying',
      'forgeq jobs list --type send_email --payload email=test@example.com --json',
    ],
    list: true,
  })
    .option('--state <states>', `one or more of ${JOB_STATES.join(', ')}`)
    .option('--queue <name>')
    .option('--type <type>')
    .option('--tag <tag>')
    .option('--key <key>', 'idempotency key')
    .option('--worker <worker>', 'id or name')
    .option('--error <text>', "fingerprint or a part of the error's message")
    .option('--created-after <time>', 'RFC 3339 with offset')
    .option('--created-before <time>')
    .option('--finished-after <time>')
    .option(
      '--payload <path=value>',
      'value at a path inside the payload; may be repeated',
      (pair: string, pairs?: string[]) => [...(pairs ?? []), pair],
    )
    .option('--search <text>', 'part of id, type, tag or error')
    .option('--limit <number>', '1 to 1000 (default: 20 on a terminal, else 100)')
    .option('--cursor <cursor>', 'go on where the last list ended')
  return does(cli, command, async (invocation) => {
    const { out, io } = invocation
    const { parseJobFilter } = await import('../../wire/job-filter.ts')
    const { filter, problems } = parseJobFilter(parametersOf(command.opts(), out.terminal))
    if (!filter) throw wrongFilter(problems, String(command.opts().state))
    await withApp(invocation, async ({ queue }) => {
      const { items, nextCursor, searchedUntil } = await queue.jobs.list(filter)
      if (out.json) {
        const { jobJson } = await import('../../wire/jobs.ts')
        out.printJsonList(items.map((job) => jobJson(job, 'list')))
      } else if (items.length > 0)
        await printTable(
          out,
          COLUMNS,
          items.map((job) => rowOf(job, out.terminal)),
          io.stdout.columns,
        )
      if (items.length === 0 && !out.json) await sayNone(filter, queue, out.note)
      if (searchedUntil !== undefined) out.note(`looked at everything newer than ${searchedUntil}`)
      if (nextCursor !== undefined) out.note(`more with --cursor ${nextCursor}`)
    })
  })
}

function parametersOf(flags: Record<string, unknown>, terminal: boolean): [string, string][] {
  const parameters = Object.entries(FILTERS).flatMap(([flag, name]): [string, string][] => {
    const value = flags[flag]
    return value === undefined ? [] : [[name, value as string]]
  })
  if (flags.limit === undefined && terminal) parameters.push(['limit', '20'])
  for (const pair of (flags.payload as string[] | undefined) ?? []) {
    const equals = pair.indexOf('=')
    parameters.push([`payload.${equals < 0 ? pair : pair.slice(0, equals)}`, equals < 0 ? '' : pair.slice(equals + 1)])
  }
  return parameters
}

function wrongFilter(problems: { path: string; message: string }[], state: string): ForgeQError {
  const flags = problems.map(({ path, message }) => {
    const [flag] = Object.entries(FILTERS).find(([, name]) => name === path) ?? [
      path.startsWith('payload.') ? 'payload' : path,
    ]
    const meant =
      path === 'state'
        ? state
            .split(',')
            .map((word) => nearest(word, JOB_STATES))
            .find(Boolean)
        : undefined
    const name = `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    return { path: name, message: meant === undefined ? message : `${message}; did you mean ${meant}?` }
  })
  return new ForgeQError('invalid_request', flags.map(({ path, message }) => `${path}: ${message}`).join('; '), {
    errors: flags,
  })
}

const rowOf = (job: Job, terminal: boolean): string[] => [
  job.id,
  job.type,
  job.queue,
  job.state,
  `${job.attempt}/${job.maxAttempts}`,
  terminal ? ago(job.createdAt) : job.createdAt,
  job.error?.message ?? job.reason ?? '',
]

async function sayNone(
  { type, queue: name }: { type?: string; queue?: string },
  queue: Queue,
  note: (text: string) => void,
): Promise<void> {
  const [queues, workers] = await Promise.all([queue.queues.list(), queue.workers.list()])
  const types = [...queues.flatMap(({ unservedTypes }) => unservedTypes), ...workers.flatMap(({ types }) => types)]
  const meant = [
    type !== undefined && !types.includes(type) ? nearest(type, types) : undefined,
    name !== undefined && !queues.some((each) => each.name === name)
      ? nearest(
          name,
          queues.map((each) => each.name),
        )
      : undefined,
  ].filter((word) => word !== undefined)
  note(meant.length > 0 ? `no job matches; did you mean ${meant.join(' and ')}?` : 'no job matches')
}
