import { Command, Option } from 'commander'
import { DEFAULT_TEXTS } from '../config/resolve.ts'
import { SETTINGS, type SettingGroup } from '../config/settings.ts'
import type { Io } from './io.ts'
import { createOutput, type Output } from './output.ts'

/** What commands share while one of them runs. */
export interface Cli {
  readonly io: Io
  /** The command that runs, as it was typed: `forgeq jobs show`. */
  running: string
  json: boolean
  exitCode: number
}

export interface Leaf {
  /** With its arguments: `show <id>`. */
  name: string
  summary: string
  examples: string[]
  /** Beside those of the database and the log, which every command has. */
  settings?: SettingGroup[]
  /** It prints a list, so `--ndjson` gives a line an item. */
  list?: boolean
}

/** What the body of a command gets. */
export interface Invocation {
  io: Io
  out: Output
  command: Command
  args: string[]
}

/** A command that does something, as opposed to one that only holds others. */
export class LeafCommand extends Command {
  readonly leaf: Leaf

  constructor(leaf: Leaf) {
    super(leaf.name.split(' ')[0])
    this.leaf = leaf
  }
}

/** A command with its arguments, its examples in `--help` and the flags that all have. */
export function leaf(cli: Cli, leaf: Leaf): LeafCommand {
  const command = dressed(cli, new LeafCommand(leaf), leaf.summary)
  for (const argument of leaf.name.split(' ').slice(1)) command.argument(argument)
  command.addHelpText('after', `\nExamples:\n${leaf.examples.map((example) => `  $ ${example}`).join('\n')}`)
  command.option('--json', 'print the JSON of the HTTP API; errors too, on stderr')
  if (leaf.list) command.option('--ndjson', 'print one JSON object a line')
  return command
}

/** Gives a command its body, after the flags of its own; what it returns is the exit code. */
export function does(
  cli: Cli,
  command: LeafCommand,
  body: (invocation: Invocation) => Promise<number | void>,
): Command {
  addSettings(command)
  return command.action(async () => {
    const { json = false, ndjson = false } = command.opts<{ json?: boolean; ndjson?: boolean }>()
    const out = createOutput(cli.io, { json, ndjson: ndjson && (json || command.leaf.list === true) })
    cli.running = pathOf(command)
    cli.json = out.json
    cli.exitCode = (await body({ io: cli.io, out, command, args: command.args })) ?? 0
  })
}

/** A command that only holds others: `forgeq jobs`. */
export function branch(cli: Cli, name: string, summary: string, leaves: Command[]): Command {
  const command = dressed(cli, new Command(name), summary)
  for (const each of leaves) command.addCommand(each)
  return command
}

/** `forgeq jobs show` */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

function dressed<T extends Command>(cli: Cli, command: T, summary: string): T {
  command.description(summary).exitOverride().helpOption('-h, --help', 'show this help')
  command.configureHelp({ helpWidth: cli.io.stdout.columns ?? 100 })
  command.configureOutput({
    writeOut: (text) => void cli.io.stdout.write(text),
    writeErr: (text) => void cli.io.stderr.write(text),
    // Wrong usage is printed as every error is.
    outputError: () => {},
  })
  return command
}

function addSettings(command: LeafCommand): void {
  const groups: SettingGroup[] = [...(command.leaf.settings ?? []), 'database', 'log']
  command.optionsGroup('Settings (flag, environment variable or key of forgeq.config.*):')
  const settings = groups.flatMap((name) => SETTINGS.filter(({ group }) => group === name))
  for (const { key, flag, env, help } of settings) {
    const otherwise = DEFAULT_TEXTS.get(key)
    command.addOption(new Option(flag, `${help} (${env[0]}${otherwise === undefined ? '' : `, default ${otherwise}`})`))
  }
}
