import { Command, CommanderError } from 'commander'
import { packageVersion } from '../version.ts'
import { branch, pathOf, type Cli } from './command.ts'
import { exitCodeOf, printFailure, UsageError } from './failure.ts'
import type { Io } from './io.ts'

/** Runs one command line and gives its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const cli: Cli = { io, running: 'forgeq', json: args.includes('--json'), exitCode: 0 }
  const root = await program(cli, args)
  try {
    await root.parseAsync([...args], { from: 'user' })
    return cli.exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    // Help for a command that only holds others: commander has printed it.
    if (error instanceof CommanderError && error.code === 'commander.help') return 2
    const failure = error instanceof CommanderError ? usageOf(error) : error
    if (error instanceof CommanderError) cli.running = meant(root, args)
    printFailure(io.stderr, cli.running, failure, { json: cli.json, stack: wantsStack(args, io) })
    return exitCodeOf(failure)
  }
}

const wantsStack = (args: readonly string[], { env }: Io): boolean =>
  /--log-level[ =](debug|trace)( |$)/.test(args.join(' ')) || /^(debug|trace)$/.test(env.FORGEQ_LOG_LEVEL ?? '')

const EXAMPLES = `
Examples:
  $ forgeq dev                                    all of it in one process, handlers reloaded on change
  $ forgeq enqueue --type send_email --payload '{"email":"test@example.com"}' --wait
  $ forgeq jobs list --state dead

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`

/** Every command below `forgeq`, in the order of its help; its files are loaded when it is needed. */
const COMMANDS: { name: string; hidden?: true; load: (cli: Cli) => Promise<Command> }[] = [
  { name: 'server', load: async (cli) => (await import('./server.ts')).serverCommand(cli) },
  { name: 'worker', load: async (cli) => (await import('./worker.ts')).workerCommand(cli) },
  { name: 'enqueue', load: async (cli) => (await import('./enqueue.ts')).enqueueCommand(cli) },
  { name: 'dev', load: async (cli) => (await import('./dev.ts')).devCommand(cli) },
  { name: 'jobs', load: async (cli) => (await import('./jobs/commands.ts')).jobsCommand(cli) },
  { name: 'queues', load: async (cli) => (await import('./queues.ts')).queuesCommand(cli) },
  { name: 'workers', load: async (cli) => (await import('./workers.ts')).workersCommand(cli) },
  { name: 'migrate', load: async (cli) => (await import('./migrate.ts')).migrateCommand(cli) },
  { name: 'config', load: async (cli) => (await import('./config.ts')).configCommand(cli) },
  { name: 'dev-worker', hidden: true, load: async (cli) => (await import('./dev-worker.ts')).devWorkerCommand(cli) },
]

/** With the one command that the line begins with, or with all: for the help, and for a suggestion. */
async function program(cli: Cli, args: readonly string[]): Promise<Command> {
  const root = branch(cli, 'forgeq', 'A durable job queue and its workers on PostgreSQL.', [])
  const named = COMMANDS.filter(({ name }) => name === args[0])
  for (const { load, hidden = false } of named.length > 0 ? named : COMMANDS)
    root.addCommand(await load(cli), { hidden })
  root.version(packageVersion(), '-V, --version', 'show the version').addHelpText('after', EXAMPLES)
  return root
}

/** Commander's own words, without its prefix: `unknown option '--typ'` and the suggestion below it. */
const usageOf = ({ message }: CommanderError): UsageError => new UsageError(message.replace(/^error: /, ''))

/** The command that a refused line was for, as far as it can be read. */
function meant(root: Command, args: readonly string[]): string {
  let command = root
  for (const arg of args) {
    const next = command.commands.find((each) => each.name() === arg)
    if (!next) break
    command = next
  }
  return pathOf(command)
}
