import { setTimeout as sleep } from 'node:timers/promises'
import { figuresOf, settleHistory } from './figures.ts'
import { type Drain, judge, type Look, type Story } from './judge.ts'
import { runsIn, tally } from './ledger.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { openProgress, type Progress } from './progress.ts'
import { removeStage, setStage, type Stage } from './stage.ts'
import { asCommand } from '../support/command.ts'

/** Between two floods: few jobs, now and then many. */
const TRICKLES = [50, 1_000, 200, 2_000]
const TRICKLE_SECONDS = 2
const LOOK_MS = 1_000
const DRAIN_WITHIN_MS = 300_000

/** Exit codes: 0 passed, 1 failed, 2 wrong usage, 130 interrupted. */
const main = () => asCommand({ read: readOptions, usage: USAGE, play })

async function play(options: Options): Promise<number> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  const stage = await setStage(options)
  const progress = openProgress(options.minutes)
  let passed = false
  try {
    const story = await Promise.race([perform(options, stage, progress, interrupted.signal), stage.broken])
    progress.stop()
    if (interrupted.signal.aborted) return 130
    const { faults, figures } = judge(story)
    passed = faults.length === 0
    for (const figure of figures) process.stdout.write(`${figure}\n`)
    for (const fault of faults) process.stdout.write(`FAILED: ${fault}\n`)
    if (!passed) process.stdout.write(`logs: ${stage.folder}\n`)
    process.stdout.write(`${JSON.stringify({ passed, faults })}\n`)
    return passed ? 0 : 1
  } finally {
    progress.stop()
    await stage.close()
    if (passed || interrupted.signal.aborted) removeStage(stage)
  }
}

/**
 * The producer's rate changes all the time: a trickle, then a flood that waits behind a pause, so that each drain is
 * one of the same number of jobs and nothing else, and drains can be compared. One round that is not judged comes first.
 */
async function perform(options: Options, stage: Stage, progress: Progress, signal: AbortSignal): Promise<Story> {
  const { client, ledger } = stage
  const drains: Drain[] = []
  const looks: Look[] = []
  let [acknowledged, finished, plain] = [0, 0, 0]
  let begun = performance.now()
  const atMs = () => performance.now() - begun

  let looking = true
  const observe = async () => {
    while (looking) {
      looks.push({ atMs: atMs(), ...(await figuresOf(client)) })
      await sleep(LOOK_MS)
    }
  }

  async function untilEmpty(): Promise<void> {
    const giveUpAt = performance.now() + DRAIN_WITHIN_MS
    // The handlers' notes cost the database nothing; it is asked only for the last jobs.
    while (runsIn(ledger) < acknowledged) {
      if (performance.now() > giveUpAt)
        throw new Error(`of ${acknowledged} jobs ${runsIn(ledger)} have run, and no more come`)
      await sleep(10)
    }
    for (;;) {
      const { rowCount } = await client.query('select from forgeq.jobs limit 1')
      if (rowCount === 0) return
      await sleep(10)
    }
  }

  async function round(n: number): Promise<Drain> {
    const perSecond = TRICKLES[n % TRICKLES.length]!
    progress.show(`round ${n}: ${perSecond} jobs a second`)
    acknowledged += await stage.produce({ kind: 'trickle', first: acknowledged, perSecond, seconds: TRICKLE_SECONDS })
    await untilEmpty()
    progress.show(`round ${n}: a flood of ${options.backlog}`)
    await stage.pause()
    acknowledged += await stage.produce({ kind: 'flood', first: acknowledged, count: options.backlog })
    progress.show(`round ${n}: its drain`)
    const [began, before, beganAtMs] = [performance.now(), stage.cpuMs(), atMs()]
    await stage.resume()
    await untilEmpty()
    const [tookMs, after] = [performance.now() - began, stage.cpuMs()]
    const drain = {
      atMs: beganAtMs,
      jobs: options.backlog,
      tookMs,
      cpuMs: after.all - before.all,
      postgresCpuMs: after.postgres - before.postgres,
    }
    const settled = await settleHistory(client)
    finished += settled.finished
    plain += settled.plain
    return drain
  }

  await round(0)
  begun = performance.now()
  const observer = observe()
  const lengthMs = options.minutes * 60_000
  for (let n = 1; atMs() < lengthMs && !signal.aborted; n++) {
    const drain = await round(n)
    drains.push(drain)
    const { sizes, dead } = looks.at(-1)!
    const aJob = (ms: number) => ((ms * 1_000) / drain.jobs).toFixed(1)
    progress.say(
      `round ${n}: ${drain.jobs} jobs in ${(drain.tookMs / 1_000).toFixed(2)} s, ` +
        `${Math.round((drain.jobs * 1_000) / drain.tookMs)}/s, ${aJob(drain.cpuMs)} µs CPU a job (PostgreSQL ${aJob(drain.postgresCpuMs)}); ` +
        `live tables ${Math.round(Object.values(sizes).reduce((a, b) => a + b, 0) / 1_048_576)} MB, ${dead} dead rows`,
    )
  }
  looking = false
  await observer
  const { lost, twice } = tally(ledger, acknowledged)
  return { lengthMs: Math.min(lengthMs, atMs()), drains, looks, acknowledged, finished, plain, lost, twice }
}

process.exitCode = await main()
process.exit()
