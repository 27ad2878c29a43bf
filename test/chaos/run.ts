import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FAULTS } from './faults/index.ts'
import { makeFolder, removeLeftovers, type Folder } from './folder.ts'
import { check } from './checker/check.ts'
import { isMendable } from './checker/vacuous.ts'
import { carryOut } from './nemesis.ts'
import { countOpen, exportAll, startObserver } from './observer.ts'
import { type Options, readOptions, replayOf, USAGE } from './options.ts'
import { BITING, planOf } from './plan.ts'
import { openProgress } from './progress.ts'
import { seeded } from './random.ts'
import { now, openRecorder, readHistory } from './recorder.ts'
import { FINAL_WITHIN_MS, LIMITS } from './settings.ts'
import { setStage, type Stage } from './stage.ts'
import { summaryOf } from './summary.ts'
import { asCommand } from '../support/command.ts'

/** Each takes half a minute. */
const MOST_ROUNDS = 4

/** Exit codes: 0 passed, 1 broken or the harness itself failed, 2 wrong usage, 3 vacuous, 130 interrupted. */
const main = () =>
  asCommand({
    read: (argv) =>
      readOptions(
        argv,
        FAULTS.map(({ name }) => name),
      ),
    usage: USAGE,
    play,
  })

async function play(options: Options): Promise<number> {
  if (options.keep && existsSync(options.keep) && readdirSync(options.keep).length > 0) {
    process.stderr.write(`--keep: ${options.keep} is not empty, and two histories in one folder are none\n`)
    return 2
  }
  process.stdout.write(`seed ${options.seed}, ${options.minutes} min: ${replayOf(options)}\n`)
  await removeLeftovers()
  const keep = options.keep ?? mkdtempSync(join(tmpdir(), `forgeq-chaos-seed-${options.seed}-`))
  mkdirSync(keep, { recursive: true })
  const folder = makeFolder({ keep, minutes: options.minutes })
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  let passed = false
  try {
    await perform(options, folder, interrupted.signal)
    if (interrupted.signal.aborted) return 130
    const history = readHistory(folder.history)
    const verdict = check(history, LIMITS)
    passed = verdict.passed
    process.stdout.write(summaryOf(verdict, FAULTS, history))
    if (!passed) process.stdout.write(`\nhistory and logs: ${keep}\nagain: ${replayOf(options)}\n`)
    const { broken, vacuous } = verdict
    process.stdout.write(`${JSON.stringify({ passed, broken, vacuous })}\n`)
    return passed ? 0 : broken.length > 0 ? 1 : 3
  } catch (error) {
    process.stdout.write(`\nthe harness failed; seed ${options.seed}, logs: ${keep}\nagain: ${replayOf(options)}\n`)
    throw error
  } finally {
    await folder.remove()
    if (!options.keep && (passed || interrupted.signal.aborted)) rmSync(keep, { recursive: true, force: true })
  }
}

/** Everything from the first process to the last event. */
async function perform(options: Options, folder: Folder, signal: AbortSignal): Promise<void> {
  const record = openRecorder(folder.history, 'harness')
  const tick = () => record({ kind: 'clock', wallMs: Date.now() })
  tick()
  const stage = await setStage(options, folder, record)
  const faults = options.faults ? FAULTS.filter(({ name }) => options.faults!.includes(name)) : FAULTS
  const plan = planOf({ seed: options.seed, minutes: options.minutes, kinds: faults })
  const { postgres, urls, ids } = stage
  const look = { postgres, urls, ids, random: seeded(options.seed, 'observer') }
  const progress = openProgress(options, plan, ids)
  const nemesis = { faults, world: stage.world, record, signal, onStep: progress.step }

  /** A short plan may have missed: what a run has to show is tried again a few times. */
  async function playUntilItBites(): Promise<void> {
    const kinds = faults.filter(({ name }) => BITING.includes(name))
    for (let round = 1; round <= MOST_ROUNDS; round++) {
      const vacuous = check(readHistory(folder.history), LIMITS).vacuous.filter(isMendable)
      if (vacuous.length === 0 || signal.aborted) return
      progress.say(`not yet: ${vacuous.join(', ')}; once more`)
      const seed = options.seed + round
      const again = planOf({ seed, minutes: 0.5, kinds }).map((step) => ({
        ...step,
        n: plan.length + 100 * round + step.n,
      }))
      await carryOut({ ...nemesis, plan: again, seed })
    }
  }

  for (const member of [...stage.product, ...stage.enqueuers]) member.start()
  const observer = startObserver({ ...look, record: openRecorder(folder.history, 'observer') })
  try {
    // On a busy machine a process takes its time to start, and faults that meet nobody show nothing.
    await Promise.race([Promise.all(stage.product.map((member) => member.up(60_000))), aborted(signal)])
    progress.begin()
    await Promise.race([
      carryOut({ ...nemesis, plan, seed: options.seed }).then(() => (options.faults ? undefined : playUntilItBites())),
      aborted(signal),
    ])
    if (signal.aborted) return
    tick()
    record({ kind: 'healed' })
    progress.say('healed; everything acknowledged has its time to become final')
    await Promise.race([stage.stopEnqueuers(), aborted(signal)])
    await settle(stage, signal, progress.say)
    if (signal.aborted) return
    await observer.stop()
    await exportAll({ ...look, record })
    tick()
  } finally {
    progress.stop()
    await stage.close()
    await observer.stop()
  }
}

/** Waits until every job is final, or for as long as any may take. */
async function settle(stage: Stage, signal: AbortSignal, say: (text: string) => void): Promise<void> {
  const giveUpAt = now() + FINAL_WITHIN_MS
  while (!signal.aborted) {
    const open = await countOpen(stage.postgres)
    if (open === 0) return
    if (now() > giveUpAt) return say(`${open} jobs are not final yet`)
    await sleep(250)
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

process.exitCode = await main()
process.exit()
