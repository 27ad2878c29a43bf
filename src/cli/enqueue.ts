import type { Command } from 'commander'
import { ForgeQError } from '../errors.ts'
import { does, leaf, type Cli, type Invocation } from './command.ts'
import { UsageError } from './failure.ts'
import { readPayload } from './payload.ts'
import { announce, nextSteps, waitForEnd } from './enqueued.ts'
import { plainJob } from '../wire/plain-job.ts'
import { withApp } from './session.ts'
import { readSettings } from './settings.ts'

interface EnqueueFlags {
  type?: string
  payload?: string
  wait?: boolean
  ndjson?: boolean
  [flag: string]: unknown
}

/** Flags of a job and their names on the wire. */
const FIELDS = {
  type: 'type',
  id: 'id',
  queue: 'queue',
  runAt: 'run_at',
  delay: 'delay',
  priority: 'priority',
  maxAttempts: 'max_attempts',
  timeout: 'timeout',
  expiresAt: 'expires_at',
  expiresIn: 'expires_in',
  idempotencyKey: 'idempotency_key',
  keepFor: 'keep_for',
  tag: 'tags',
} as const

/** Known to the contract and not built: refused, never accepted and ignored. */
const UNSUPPORTED = ['unique', 'concurrencyKey', 'group', 'dependsOn', 'batch'] as const

export function enqueueCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'enqueue',
    summary: 'put a job on its queue, or many',
    examples: [
      `forgeq enqueue --type send_email --payload '{"email":"test@example.com"}'`,
      'forgeq enqueue --type report --payload @report.json --delay 10m --wait',
      'forgeq enqueue --ndjson < jobs.ndjson',
    ],
  })
    .option('--type <type>', 'which handler runs it')
    .option('--payload <json>', 'JSON, @file, or - for standard input (default: {})')
    .option('--queue <name>', 'queue (default: default)')
    .option('--run-at <time>', 'not before, RFC 3339 with offset')
    .option('--delay <duration>', 'not before so long from now: 30s, 10m, 2h')
    .option('--priority <number>', 'higher runs first (default: 0)')
    .option('--max-attempts <number>', 'runs before it is dead (default: 25)')
    .option('--timeout <duration>', 'longest run (default: 1h)')
    .option('--expires-in <duration>', 'not started by then: cancelled')
    .option('--expires-at <time>', 'the same as an instant')
    .option('--idempotency-key <key>', 'the same key again is the same job')
    .option('--id <uuidv7>', 'an id of your own')
    .option('--keep-for <duration>', 'how long it is kept after its end')
    .option('--tag <tag>', 'a tag; may be repeated', (tag: string, tags?: string[]) => [...(tags ?? []), tag])
    .option('--wait', 'wait for its end; exit 1 unless it is completed')
    .option('--ndjson', 'many jobs from standard input, one JSON object a line; flags are their defaults')
  for (const flag of [
    '--unique [rule]',
    '--concurrency-key <key>',
    '--group <name>',
    '--depends-on <id>',
    '--batch <id>',
  ]) {
    command.addOption(command.createOption(flag).hideHelp())
  }
  return does(cli, command, async (invocation) => {
    const flags = command.opts<EnqueueFlags>()
    refuseUnsupported(flags)
    const fields = fieldsFrom(flags)
    if (flags.ndjson) {
      if (flags.payload !== undefined) throw new UsageError('--payload and --ndjson exclude each other')
      if (flags.wait) throw new UsageError('--wait and --ndjson exclude each other')
      const { enqueueLines } = await import('./enqueue-lines.ts')
      return enqueueLines(invocation, fields)
    }
    return enqueueOne(invocation, fields, flags)
  })
}

async function enqueueOne(
  invocation: Invocation,
  fields: Record<string, unknown>,
  { payload, wait }: EnqueueFlags,
): Promise<number> {
  const { io, out, command } = invocation
  if (fields.type === undefined) throw new UsageError('--type is missing: which handler is to run the job?')
  const payloadJson = payload === undefined ? undefined : await readPayload(payload, io)
  const { config } = await readSettings(io, command)
  const parsed =
    plainJob(fields, payloadJson, config) ??
    (await import('../wire/enqueue-body.ts')).enqueueFromFields(fields, payloadJson, config)
  if (!parsed.job) {
    const errors = parsed.problems.map(({ path, message }) => ({ path: flagOf(path), message }))
    throw new ForgeQError(parsed.code, errors.map(({ path, message }) => `${path}: ${message}`).join('; '), { errors })
  }
  return withApp(invocation, async ({ queue }, settings) => {
    const enqueued = await queue.enqueue(parsed.job)
    if (enqueued.removed) {
      const { id, state } = enqueued.removed
      if (out.json) out.printJson(JSON.stringify({ id, state, removed: true }))
      else announce(out, id, state, 'the same job was here before and is gone by retention')
      return 0
    }
    const { job, created } = enqueued
    if (wait) return waitForEnd(invocation, queue, job)
    if (out.json) out.printJson((await import('../wire/jobs.ts')).jobJson(job))
    else announce(out, job.id, job.state, created ? undefined : 'the same job was here before')
    if (out.terminal) await nextSteps(out, queue, settings, job)
    return 0
  })
}

function refuseUnsupported(flags: EnqueueFlags): void {
  const names = UNSUPPORTED.filter((name) => flags[name] !== undefined).map(dashed)
  if (names.length === 0) return
  throw new ForgeQError('unsupported', `this release does not support ${names.join(', ')}`, {
    errors: names.map((path) => ({ path, message: 'is not supported by this release' })),
  })
}

function fieldsFrom(flags: EnqueueFlags): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [flag, field] of Object.entries(FIELDS)) {
    const value = flags[flag]
    if (value === undefined) continue
    const isNumber = (field === 'priority' || field === 'max_attempts') && /^-?\d+$/.test(value as string)
    fields[field] = isNumber ? Number(value) : value
  }
  return fields
}

const dashed = (flag: string): string => `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** `run_at` as `--run-at`, `tags[0]` as `--tag`; a path inside the payload stays. */
function flagOf(path: string): string {
  if (path.startsWith('payload')) return path.replace('payload', '--payload ').trim().replace(' .', ' ')
  const [flag] = Object.entries(FIELDS).find(([, field]) => path === field || path.startsWith(`${field}[`)) ?? []
  return flag === undefined ? path : dashed(flag)
}
