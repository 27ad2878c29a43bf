import type { App, OpenOptions } from '../app.ts'

/** A stream that text is written to, and what is known of the terminal behind it. */
export interface TextStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export type Signal = 'SIGINT' | 'SIGTERM'

/** Everything of the process that commands touch, so that a test can stand in for it. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean | undefined }
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  openApp(options: OpenOptions): Promise<App>
  /** Asks on the terminal and gives the line typed, '' at its end. Only where `canAsk`. */
  ask(question: string): Promise<string>
  /** From now on these signals go to the listener, until the returned function is called. */
  onSignal(listener: (signal: Signal) => void): () => void
  /** Keeps this process's memory near what it holds, until the returned function is called. */
  holdMemory(): Promise<() => void>
  /** Ends the process at once: a second signal, a stop that takes too long. */
  exit(code: number): void
}

export const canAsk = ({ stdin, stderr }: Io): boolean => stdin.isTTY === true && stderr.isTTY === true
