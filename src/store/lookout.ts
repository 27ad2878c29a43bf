import type { Database } from './database.ts'
import { unavailable } from './failures.ts'
import { lookAround, type Sight } from './look.ts'
import type { LastPass } from './passes.ts'

/** What was seen, as of now. */
export interface RecentSight extends Sight {
  /** Whoever waits for something that a look would find looks again after this. */
  goodForMs: number
}

/** Told of each look; undefined: the store did not answer, there may be anything. */
export type Watcher = (sight: Sight | undefined) => void

export interface Lookout {
  /** What there is to do; `fresh`: as of now, otherwise as of a second ago at most. @throws `unavailable` */
  look(options?: { fresh?: boolean }): Promise<RecentSight>
  /** Looks once a second for as long as anybody watches. Returns what ends it. */
  watch(watcher: Watcher): () => void
}

/** What waits to be noticed is noticed within a second: a look is not used for longer. Not all processes at once. */
const GOOD_FOR_MS = 950
const JITTER = 0.05
/** A look that is not answered by then is given up: the next one takes another connection, and all loops wait for it. */
const LOST_MS = 2_000
/** So many may be unanswered: the pool has something left for others. */
const MOST_UNANSWERED = 2
/** A look that takes long walks over what is no more but cannot be removed yet: for so many times as long it is spared that. */
const SPARED = 50

interface Seen {
  sight: Sight
  /** When the look began, and when it was answered. */
  at: number
  answeredAt: number
  goodForMs: number
}

/** The eyes of a process: whoever wants to know what there is to do shares one look a second with all others. */
export function createLookout(db: Database): Lookout {
  const watchers = new Set<Watcher>()
  let seen: Seen | undefined
  let looking: Promise<Sight> | undefined
  let guessUntil = 0
  let unanswered = 0
  let timer: NodeJS.Timeout | undefined

  const tell = (sight: Sight | undefined) => {
    for (const watcher of watchers) watcher(sight)
  }

  async function lookNow(): Promise<Sight> {
    const at = performance.now()
    const guess = at < guessUntil
    arm()
    try {
      const sight = await answered(guess)
      if (!guess) guessUntil = at + sight.tookMs * SPARED
      seen = { sight, at, answeredAt: performance.now(), goodForMs: GOOD_FOR_MS * (1 - JITTER * Math.random()) }
      tell(sight)
      return sight
    } catch (error) {
      tell(undefined)
      throw error
    }
  }

  async function answered(guess: boolean): Promise<Sight> {
    if (unanswered >= MOST_UNANSWERED)
      throw unavailable('look_around', new Error('earlier looks have not been answered yet'))
    unanswered++
    const answer = lookAround(db, { guess }).finally(() => unanswered--)
    let timeout: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const error = unavailable('look_around', new Error(`no answer within ${LOST_MS} ms`))
      timeout = setTimeout(() => reject(error), LOST_MS)
    })
    return Promise.race([answer, late]).finally(() => clearTimeout(timeout))
  }

  function arm(): void {
    clearTimeout(timer)
    if (watchers.size === 0) return
    timer = setTimeout(
      () => {
        arm()
        if (looking) tell(undefined)
        else lookShared().catch(() => {}) // the watchers have been told
      },
      GOOD_FOR_MS * (1 - JITTER * Math.random()),
    )
  }

  function lookShared(): Promise<Sight> {
    looking ??= lookNow().finally(() => (looking = undefined))
    return looking
  }

  return {
    async look({ fresh = false } = {}) {
      const known = () => seen && performance.now() - seen.at < seen.goodForMs
      if (fresh) {
        // One that is under way may have begun before what the caller knows of.
        await looking?.catch(() => {})
        await lookShared()
      } else if (!known()) await lookShared()
      return asOfNow(seen!)
    },
    watch(watcher) {
      watchers.add(watcher)
      if (watchers.size === 1) arm()
      return () => {
        watchers.delete(watcher)
        if (watchers.size === 0) clearTimeout(timer)
      }
    },
  }
}

function asOfNow({ sight, at, answeredAt, goodForMs }: Seen): RecentSight {
  const now = performance.now()
  // From the answer on, which comes after the store's look at its clock: nothing seems due before it is.
  const later = (ms: number | undefined) => (ms === undefined ? undefined : ms - (now - answeredAt))
  const older = ({ at: passedAt, agoMs }: LastPass): LastPass => ({ at: passedAt, agoMs: agoMs + now - answeredAt })
  return {
    ...sight,
    dueMs: later(sight.dueMs),
    expiryMs: later(sight.expiryMs),
    passes: new Map([...sight.passes].map(([name, pass]) => [name, older(pass)])),
    goodForMs: goodForMs - (now - at),
  }
}
