import { styleText } from 'node:util'
import { printable, printableLine } from '../job/printable.ts'
import { safeJson } from '../safe-json.ts'
import type { Io } from './io.ts'

export type Style = Parameters<typeof styleText>[0]

export interface OutputOptions {
  json?: boolean
  /** With `json`: a list as one object a line. */
  ndjson?: boolean
}

/** Where every command prints: stdout is the answer, stderr everything else. */
export interface Output {
  readonly json: boolean
  /** The answer is read by a person: tables, colours, next steps. */
  readonly terminal: boolean
  /** Text of ours, as it is. */
  print: (text: string) => void
  /** One value of the wire, JSON text already. */
  printJson: (json: string) => void
  /** A list of the wire's values, JSON text each. */
  printJsonList: (items: string[]) => void
  /** For people alone, on stderr, wherever the answer goes. */
  note: (text: string) => void
  /** The next step: on a terminal only. */
  hint: (text: string) => void
  paint: (style: Style, text: string) => string
}

export function createOutput(
  io: Pick<Io, 'stdout' | 'stderr' | 'env'>,
  { json = false, ndjson = false }: OutputOptions,
): Output {
  const terminal = io.stdout.isTTY === true && !json && !ndjson
  const color = terminal && colorsAllowed(io.env)
  const print = (text: string): void => void io.stdout.write(`${text}\n`)
  return {
    json: json || ndjson,
    terminal,
    print,
    printJson: (value) => print(safeJson(value)),
    printJsonList: (items) => {
      if (!ndjson) print(`[${safeJson(items.join(',\n '))}]`)
      else for (const item of items) print(safeJson(item))
    },
    note: (text) => void io.stderr.write(`${text}\n`),
    hint: (text) => void (terminal && io.stderr.write(`${text}\n`)),
    paint: (style, text) => (color ? styleText(style, text, { validateStream: false }) : text),
  }
}

/** NO_COLOR of any value but '' turns colours off, as the convention says; so does a terminal that knows none. */
export const colorsAllowed = (env: Io['env']): boolean => !env.NO_COLOR && env.TERM !== 'dumb'

const STATE_STYLES: Record<string, Style> = {
  scheduled: 'blue',
  pending: 'cyan',
  running: 'yellow',
  retrying: 'yellow',
  blocked: 'gray',
  completed: 'green',
  dead: 'red',
  cancelled: 'magenta',
  failed: 'yellow',
  active: 'green',
  draining: 'yellow',
  stuck: 'red',
  lost: 'red',
}

export const stateStyle = (state: string): Style => STATE_STYLES[state] ?? 'white'

/** Text of others within a line of ours: as it is in JSON, harmless on a terminal. */
export const safeLine = printableLine

/** Text of others over several lines, each indented. */
export const safeBlock = (text: string, indent = '  '): string =>
  printable(text)
    .split('\n')
    .map((line) => indent + line)
    .join('\n')
