import { SingleBar } from 'cli-progress'

export interface Progress {
  /** What is under way now. */
  show(text: string): void
  /** A line that stays. */
  say(text: string): void
  stop(): void
}

/** On a terminal one line that moves; elsewhere only the lines that stay. */
export function openProgress(minutes: number): Progress {
  const begun = performance.now()
  const bar = process.stdout.isTTY
    ? new SingleBar({ format: '{bar} {percentage}% | {text}', hideCursor: true })
    : undefined
  let text = 'begins'
  const total = minutes * 60_000
  bar?.start(total, 0, { text })
  const timer = bar && setInterval(() => bar.update(Math.min(performance.now() - begun, total), { text }), 250)
  return {
    show: (now) => void (text = now),
    say(line) {
      if (bar) process.stdout.write(`\r\u001b[K${line}\n`)
      else process.stdout.write(`${((performance.now() - begun) / 1000).toFixed(1).padStart(7)} s  ${line}\n`)
    },
    stop() {
      clearInterval(timer)
      bar?.stop()
    },
  }
}
