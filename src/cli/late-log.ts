import type { Logger } from '../log.ts'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export interface LateLog {
  readonly log: Logger
  /** Resolves when every line is written. */
  written(): Promise<void>
}

/**
 * The log of a command that answers and ends. Most such commands write no line, and the logger takes longer to load
 * than their answer: it is made for the first line of `level` or above. It writes lines and has no children.
 */
export function createLateLog(level: (typeof LEVELS)[number], make: () => Promise<Logger>): LateLog {
  let made: Promise<Logger> | undefined
  let lines: Promise<void> = Promise.resolve()
  const least = LEVELS.indexOf(level)
  const methods = LEVELS.map((name, index) => {
    if (index < least) return [name, () => {}] as const
    const write = (...line: [object, string?]): void => {
      made ??= make()
      const logger = made
      lines = lines.then(async () => (await logger)[name](...line)).catch(() => {}) // no log: the command goes on
    }
    return [name, write] as const
  })
  return { log: Object.fromEntries(methods) as unknown as Logger, written: () => lines }
}
