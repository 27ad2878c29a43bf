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

/** A command with the flags that all have, its settings' flags, its examples in `--help`. */
export function leaf(cli: Cli, { name, summary, examples, settings = [], list = false }: Leaf): Command {
  const [word = '', ...args] = name.split(' ')
  const command = new Command(word).description(summary).exitOverride().helpOption('-h, --help', 'show this help')
  for (const argument of args) command.argument(argument)
  command.configureHelp({ helpWidth: cli.io.stdout.columns ?? 100 })
  command.configureOutput({
    writeOut: (text) => void cli.io.stdout.write(text),
    writeErr: (text) => void cli.io.stderr.write(text),
    outputError: () => {},
  })
  command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`)
  const everywhere: SettingGroup[] = [...settings, 'database', 'log']
  command.optionsGroup('Settings (flag, environment variable or key of forgeq.config.*):')
  for (const setting of SETTINGS.filter(({ group }) => everywhere.includes(group))) {
    command.addOption(new Option(setting.flag, `${setting.help} (${setting.env[0]}${defaultOf(setting.key)})`))
  }
  command.optionsGroup('Options:')
  command.option('--json', 'print the JSON of the HTTP API; errors too, on stderr')
  if (list) command.option('--ndjson', 'print one JSON object a line')
  return command
}

const defaultOf = (key: string): string => {
  const text = DEFAULT_TEXTS.get(key)
  return text === undefined ? '' : `, default ${text}`
}

/** Gives a command its body; what it returns is the exit code. */
export function does(cli: Cli, command: Command, body: (invocation: Invocation) => Promise<number | void>): Command {
  return command.action(async () => {
    const { json, ndjson } = command.opts<{ json?: boolean; ndjson?: boolean }>()
    const out = createOutput(cli.io, {
      json: json ?? false,
      ndjson: (ndjson ?? false) && command.options.some(isListFlag),
    })
    cli.running = pathOf(command)
    cli.json = out.json
    cli.exitCode = (await body({ io: cli.io, out, command, args: command.args })) ?? 0
  })
}

const isListFlag = ({ long, description }: Option): boolean => long === '--ndjson' && description.startsWith('print')

/** A command that only holds others: `forgeq jobs`. */
export function branch(cli: Cli, name: string, summary: string, leaves: Command[]): Command {
  const command = new Command(name).description(summary).exitOverride().helpOption('-h, --help', 'show this help')
  command.configureHelp({ helpWidth: cli.io.stdout.columns ?? 100 })
  command.configureOutput({
    writeOut: (text) => void cli.io.stdout.write(text),
    writeErr: (text) => void cli.io.stderr.write(text),
    outputError: () => {},
  })
  for (const each of leaves) command.addCommand(each)
  return command
}

export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}
