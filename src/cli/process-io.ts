import type { Io, Signal } from './io.ts'

const SIGNAL_EXIT: Record<Signal, number> = { SIGINT: 130, SIGTERM: 143 }

/** The real process. A reader of our output that goes away ends it quietly, as it does the tools beside it in a pipe. */
export function processIo(): Io {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
      throw error
    })
  }
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    openApp: async (options) => (await import('../app.ts')).openApp(options),
    ask,
    onSignal: signals(),
    exit: (code) => process.exit(code),
  }
}

function signals(): Io['onSignal'] {
  const listeners = new Set<(signal: Signal) => void>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (listeners.size === 0) process.exit(SIGNAL_EXIT[signal])
      for (const listener of listeners) listener(signal)
    })
  }
  return (listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
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
