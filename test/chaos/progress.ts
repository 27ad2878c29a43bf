import { SingleBar } from 'cli-progress'
import type { Options } from './options.ts'
import type { Step } from './plan.ts'
import { now } from './recorder.ts'

export interface Progress {
  /** Everything is there: the time of the plan begins. */
  begin(): void
  step(step: Step, what: 'started' | 'ended' | 'skipped' | 'failed', why?: string): void
  say(text: string): void
  stop(): void
}

/** On a terminal one line that moves; elsewhere a line for each fault. */
export function openProgress({ minutes }: Options, plan: readonly Step[], ids: readonly string[]): Progress {
  let beginning = now()
  const current = new Map<number, string>()
  const bar = process.stdout.isTTY
    ? new SingleBar({
        format: '{bar} {percentage}% | {acknowledged} jobs | fault {n}/{all}: {faults}',
        hideCursor: true,
      })
    : undefined
  const shown = () => ({
    acknowledged: ids.length,
    n: Math.max(0, ...current.keys()),
    all: plan.length,
    faults: [...current.values()].join(', ') || '–',
  })
  bar?.start(minutes * 60_000, 0, shown())
  const timer = bar && setInterval(() => bar.update(Math.min(now() - beginning, minutes * 60_000), shown()), 250)
  const say = (text: string) => {
    if (bar) process.stdout.write(`\r\u001b[K${text}\n`)
    else process.stdout.write(`${((now() - beginning) / 1000).toFixed(1).padStart(6)} s  ${text}\n`)
  }
  return {
    begin: () => void (beginning = now()),
    say,
    step(step, what, why) {
      const name = step.target === undefined ? step.fault : `${step.fault} ${step.target}`
      if (what === 'started') current.set(step.n, name)
      else current.delete(step.n)
      if (what === 'skipped') say(`SKIPPED, this machine cannot make it: ${name}: ${why}`)
      else if (what === 'failed') say(`${name} FAILED to come about: ${why}`)
      else if (!bar && what === 'started') say(`${name} for ${(step.ms / 1000).toFixed(1)} s`)
    },
    stop() {
      clearInterval(timer)
      bar?.stop()
    },
  }
}
