import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from 'uuidv7'
import type { EnqueueSent } from './history.ts'
import { env, recorderOfProcess } from './perform.ts'
import { between, oneOf, seeded, type Random } from './random.ts'
import { httpSender } from './send-http.ts'
import { cliSender } from './send-cli.ts'
import { librarySender } from './send-library.ts'
import { type Answer, payloadOf, type Request, type Sender } from './sending.ts'
import { nextWish } from './workload.ts'

/** What an enqueuer is told by the harness, in its environment. */
export interface EnqueuerTask {
  via: 'http' | 'library' | 'cli'
  seed: number
  product: string
  /** Of `http`. */
  urls: string[]
  /** Of the others. */
  databaseUrl: string
  /** How many calls it has under way at most. */
  lines: number
  /** Mean pause of each line between two calls. */
  pauseMs: number
  /** Of a hundred jobs, how many have an idempotency key, and how many an id of their own; the rest has neither. */
  keyed: number
  named: number
}

/** What it tells the harness. */
export interface EnqueuerReport {
  acknowledged: string[]
}

const REPEATS = 40
const RACERS = 8
const LONGEST_PAUSE_MS = 1_000

const task = JSON.parse(env('CHAOS_TASK')) as EnqueuerTask
const name = env('CHAOS_NAME')
const record = recorderOfProcess()
let calls = 0
let stopping = false

const sender: Sender = await openSender()

function openSender(): Sender | Promise<Sender> {
  if (task.via === 'http') return httpSender(task.urls, seeded(task.seed, `${name} servers`))
  if (task.via === 'cli') return cliSender(task.product, task.databaseUrl)
  return librarySender(task.product, task.databaseUrl)
}

async function call(requests: readonly Request[]): Promise<Answer> {
  const call = `${name}:${++calls}`
  record({ kind: 'enqueue_sent', call, via: task.via, jobs: requests.map(sentOf) })
  const answer = await sender.enqueue(requests)
  record({ kind: 'enqueue_answered', call, ...answer })
  if (answer.jobs) process.send?.({ acknowledged: answer.jobs.map(({ id }) => id) } satisfies EnqueuerReport)
  return answer
}

const sentOf = ({ wish, key, id }: Request): EnqueueSent['jobs'][number] => ({
  work: wish.work,
  maxAttempts: wish.maxAttempts,
  ...(key === undefined ? {} : { key }),
  ...(id === undefined ? {} : { id }),
  ...(wish.delayMs === undefined ? {} : { delayMs: wish.delayMs }),
})

/** Enqueues until it is told to stop; what has a name is repeated after an unknown answer, mostly. */
async function work(random: Random): Promise<void> {
  while (!stopping) {
    await sleep(between(random, 0, task.pauseMs * 2))
    const requests = nextRequests(random)
    const isNamed = requests.every(({ key, id }) => key ?? id)
    // The same name from many at once, now and then.
    let answers = await Promise.all(
      Array.from({ length: isNamed && random() < 0.03 ? RACERS : 1 }, () => call(requests)),
    )
    const repeats = isNamed && random() < 0.8 ? REPEATS : 0
    for (let n = 1; n <= repeats && answers.every(({ answer }) => answer === 'unknown') && !stopping; n++) {
      await sleep(Math.min(100 * n, LONGEST_PAUSE_MS))
      answers = [await call(requests)]
    }
    if (isNamed && random() < 0.02) answers = [await call(requests)]
    const ids = answers.flatMap(({ jobs = [] }) => jobs.map(({ id }) => id))
    if (ids.length > 0 && random() < 0.1) void actLater(random, oneOf(random, ids))
  }
}

function nextRequests(random: Random): Request[] {
  const draw = random() * 100
  const named = draw < task.keyed ? 'key' : draw < task.keyed + task.named ? 'id' : undefined
  const size = random() < 0.1 ? between(random, 2, 8) : 1
  const first = calls + 1
  return Array.from({ length: size }, (_, n): Request => {
    const wish = nextWish(random)
    // A hostile one always has a name: of what is refused there must be nothing, and a name is how it is looked for.
    const how = named ?? (wish.work.do === 'hostile' ? 'key' : undefined)
    return {
      wish,
      payload: payloadOf(wish, `${name}:${first}`, n),
      ...(how === 'key' ? { key: `${name}/${first}/${n}` } : how === 'id' ? { id: uuidv7() } : {}),
    }
  })
}

/** A person cancels it, runs it now, or tries it again when it is over. */
async function actLater(random: Random, job: string): Promise<void> {
  const draw = random()
  const act = draw < 0.6 ? 'cancel' : draw < 0.8 ? 'run' : 'retry'
  await sleep(act === 'retry' ? between(random, 2_000, 8_000) : between(random, 0, 1_500))
  if (stopping) return
  const call = `${name}:act-${++calls}`
  record({ kind: 'act_sent', call, act, job })
  record({ kind: 'act_answered', call, act, job, answer: await sender.act(act, job) })
}

process.once('SIGTERM', () => (stopping = true))
process.once('disconnect', () => process.exit(1)) // the harness has gone
const lines = Array.from({ length: task.lines }, (_, n) => work(seeded(task.seed, `${name} line ${n}`)))
await Promise.all(lines)
process.exit(0)
