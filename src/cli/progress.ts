import type { TextStream } from './io.ts'

export interface Progress {
  update(done: number): void
  stop(): void
}

/** A bar on a terminal's stderr, nothing anywhere else. */
export async function createProgress(stderr: TextStream, total: number): Promise<Progress> {
  if (!stderr.isTTY) return { update: () => {}, stop: () => {} }
  const { SingleBar } = await import('cli-progress')
  const bar = new SingleBar({
    format: '{bar} {percentage}% {value}/{total} jobs',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    stream: stderr as NodeJS.WritableStream,
  })
  bar.start(total, 0)
  return { update: (done) => bar.update(done), stop: () => bar.stop() }
}
