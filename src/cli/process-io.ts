import type { Io, Signal } from './io.ts'

const HANGUP_EXIT = 129
const SIGNAL_EXIT: Record<Signal, number> = { SIGINT: 130, SIGTERM: 143 }

/** What a write comes to when nobody reads any more: a pipe, a terminal. */
const NO_READER = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'])

/**
 * The real process. A reader of our output that goes away ends it quietly, as it does the tools beside it in a pipe: a
 * command that stays is told to end, for its jobs have to be handed back.
 */
export function processIo(): Io {
  const { onSignal, tellOnce } = signals()
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!NO_READER.has(error.code ?? '')) throw error
      if (!tellOnce()) process.exit(process.exitCode ?? 0)
    })
  }
  return {
    // Opened by being looked at; few commands do.
    get stdin() {
      return process.stdin
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    openApp: async (options) => (await import('../app.ts')).openApp(options),
    ask,
    onSignal,
    holdMemory: async () => (await import('./held-memory.ts')).holdMemory(process.env),
    exit: (code) => process.exit(code),
  }
}

interface Signals {
  onSignal: Io['onSignal']
  /** As SIGTERM does, but only where none was told before. False: nobody listens. */
  tellOnce(): boolean
}

function signals(): Signals {
  const listeners = new Set<(signal: Signal) => void>()
  let told = false
  const tell = (signal: Signal): void => {
    told = true
    for (const listener of listeners) listener(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (listeners.size === 0) process.exit(SIGNAL_EXIT[signal])
      tell(signal)
    })
  }
  // The terminal has gone. Nothing is left to tell a second time.
  process.on('SIGHUP', () => {
    if (listeners.size === 0) process.exit(HANGUP_EXIT)
    if (!told) tell('SIGTERM')
  })
  return {
    onSignal(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    tellOnce() {
      if (listeners.size === 0) return false
      if (!told) tell('SIGTERM')
      return true
    },
  }
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  // A raw terminal sends no signal of its own.
  prompt.on('SIGINT', () => process.exit(130))
  const ended = new Promise<string>((resolve) => {
    prompt.once('close', () => resolve(''))
  })
  try {
    return await Promise.race([prompt.question(question), ended])
  } finally {
    prompt.close()
  }
}
