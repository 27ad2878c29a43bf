import type { WakeUp } from '../store/wakeups.ts'
import { createLoops, type LoopContext } from './index.ts'

/** Starts all loops; the scheduler hears of due times that have come nearer. Returns what stops them. */
export function startLoops(
  context: LoopContext,
  subscribe: (listener: (wakeUp: WakeUp) => void) => () => void,
): () => Promise<void> {
  const loops = createLoops(context)
  for (const loop of loops) loop.start()
  const scheduler = loops.find(({ name }) => name === 'scheduler')
  const unsubscribe = subscribe(({ kind }) => {
    if (kind === 'due') scheduler?.wake()
  })
  return async () => {
    unsubscribe()
    await Promise.all(loops.map((loop) => loop.stop()))
  }
}
