import { Command, CommanderError } from 'commander'
import { packageVersion } from '../version.ts'
import { branch, pathOf, type Cli } from './command.ts'
import { configCommand } from './config.ts'
import { devCommand } from './dev.ts'
import { devWorkerCommand } from './dev-worker.ts'
import { enqueueCommand } from './enqueue.ts'
import { exitCodeOf, printFailure, UsageError } from './failure.ts'
import type { Io } from './io.ts'
import { jobsCancelCommand, jobsRetryCommand, jobsRunCommand } from './jobs/act.ts'
import { jobsDeleteCommand } from './jobs/delete.ts'
import { jobsListCommand } from './jobs/list.ts'
import { jobsShowCommand } from './jobs/show.ts'
import { jobsWhyCommand } from './jobs/why.ts'
import { migrateCommands } from './migrate.ts'
import { queuesCommands } from './queues.ts'
import { serverCommand } from './server.ts'
import { workerCommand } from './worker.ts'
import { workersCommands } from './workers.ts'

/** Runs one command line and gives its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const cli: Cli = { io, running: 'forgeq', json: args.includes('--json'), exitCode: 0 }
  const root = program(cli)
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

function program(cli: Cli): Command {
  const root = branch(cli, 'forgeq', 'A durable job queue and its workers on PostgreSQL.', [
    serverCommand(cli),
    workerCommand(cli),
    enqueueCommand(cli),
    devCommand(cli),
    branch(cli, 'jobs', 'look at jobs and act on them', [
      jobsListCommand(cli),
      jobsShowCommand(cli),
      jobsWhyCommand(cli),
      jobsRetryCommand(cli),
      jobsRunCommand(cli),
      jobsCancelCommand(cli),
      jobsDeleteCommand(cli),
    ]),
    branch(cli, 'queues', 'look at queues, pause and resume them', queuesCommands(cli)),
    branch(cli, 'workers', 'look at workers', workersCommands(cli)),
    branch(cli, 'migrate', "look after the database's schema", migrateCommands(cli)),
    configCommand(cli),
  ])
  root.addCommand(devWorkerCommand(cli), { hidden: true })
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
