import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Io, Signal } from '../../src/cli/io.ts'
import { run } from '../../src/cli/program.ts'
import { fakeApp, type FakeApp } from './fake-app.ts'

export interface Asked {
  stdin?: string | Uint8Array | (string | Uint8Array)[]
  /** Everything is a terminal of this many columns. */
  columns?: number
  env?: Record<string, string>
  cwd?: string
  answers?: string[]
  app?: FakeApp
  openApp?: Io['openApp']
}

export interface Ran {
  code: number
  stdout: string
  stderr: string
  app: FakeApp
  questions: string[]
}

export interface Running {
  ended: Promise<Ran>
  signal(signal: Signal): void
  /** Resolves when stdout or stderr holds the text. */
  printed(text: string): Promise<void>
  readonly exits: number[]
  readonly texts: { stdout: string; stderr: string }
  readonly app: FakeApp
}

/** Runs one command line in this process, on a fake App, an empty folder and streams in memory. */
export const cli = (args: string[], asked: Asked = {}): Promise<Ran> => start(args, asked).ended

/** The same for a command that stays until it is told. */
export function start(
  args: string[],
  { stdin = '', columns, env = {}, cwd, answers = [], app = fakeApp(), openApp }: Asked = {},
): Running {
  const listeners = new Set<(signal: Signal) => void>()
  const waiting: { text: string; done: () => void }[] = []
  const questions: string[] = []
  const exits: number[] = []
  const texts = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof texts) => ({
    isTTY: columns !== undefined,
    columns,
    write: (text: string) => {
      texts[name] += text
      for (const { text, done } of waiting) if ((texts.stdout + texts.stderr).includes(text)) done()
      return true
    },
  })
  const io: Io = {
    stdin: Object.assign(chunksOf(stdin), { isTTY: columns !== undefined && stdin === '' }),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    env: { NO_COLOR: '1', ...env },
    cwd: cwd ?? emptyFolder(),
    openApp: async (options) => {
      app.opened = options
      return openApp ? openApp(options) : app
    },
    ask: async (question) => {
      questions.push(question)
      return answers.shift() ?? ''
    },
    onSignal: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    holdMemory: async () => () => {},
    exit: (code) => void exits.push(code),
  }
  return {
    ended: run(args, io).then((code) => ({ code, ...texts, app, questions })),
    signal: (signal) => {
      for (const listener of listeners) listener(signal)
    },
    printed: (text) =>
      new Promise((done) => {
        if ((texts.stdout + texts.stderr).includes(text)) done()
        else waiting.push({ text, done })
      }),
    exits,
    texts,
    app,
  }
}

export const emptyFolder = (): string => mkdtempSync(join(tmpdir(), 'forgeq-cli-'))

async function* chunksOf(stdin: Exclude<Asked['stdin'], undefined>): AsyncGenerator<Uint8Array> {
  for (const chunk of Array.isArray(stdin) ? stdin : [stdin]) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    if (bytes.length > 0) yield bytes
  }
}
