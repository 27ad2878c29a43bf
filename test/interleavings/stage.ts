/** One step that could be taken now. */
export interface Offer {
  actor: string
  step: string
}

/** Thrown out of every gate when a walk is over. */
export class Abandoned extends Error {}

const STUCK_MS = 10_000

/** What an actor could do; looked at anew each time when it depends on more than the actor. */
export type Steps = readonly string[] | (() => readonly string[])

interface Waiting {
  steps(): readonly string[]
  go(step: string): void
  leave(): void
}

/**
 * Where actors wait for their turn: each runs alone from one gate to its next, and whoever walks decides who goes on,
 * and how. An actor whose statement waits for a lock is neither at a gate nor done; the others go on beside it.
 */
export class Stage {
  readonly #waiting = new Map<string, Waiting>()
  readonly #acting = new Set<string>()
  readonly #scripts = new Set<Promise<void>>()
  readonly #blocked: (actors: readonly string[]) => Promise<boolean>
  #changed: () => void = () => {}
  #abandoned = false
  /** The first error of a statement or a script, also one that somebody has caught. */
  failure: unknown

  /** `blocked` tells whether the statements of all these actors wait for locks. */
  constructor(blocked: (actors: readonly string[]) => Promise<boolean>) {
    this.#blocked = blocked
  }

  /** Starts an actor: it acts until its first gate. */
  enter(actor: string, script: () => Promise<void>): void {
    this.#acting.add(actor)
    const ended = script()
      .catch((error: unknown) => {
        this.fail(error)
      })
      .finally(() => {
        this.#acting.delete(actor)
        this.#scripts.delete(ended)
        this.#changed()
      })
    this.#scripts.add(ended)
  }

  /** The gate: resolves with one of `steps` when it is this actor's turn. */
  pass(actor: string, steps: Steps): Promise<string> {
    if (this.#abandoned) return Promise.reject(new Abandoned())
    this.#acting.delete(actor)
    return new Promise<string>((resolve, reject) => {
      this.#waiting.set(actor, {
        steps: typeof steps === 'function' ? steps : () => steps,
        go: resolve,
        leave: () => reject(new Abandoned()),
      })
      this.#changed()
    })
  }

  fail(error: unknown): void {
    if (!(error instanceof Abandoned)) this.failure ??= error
  }

  /** What could be done now, always in the same order. */
  offers(): Offer[] {
    return [...this.#waiting.keys()].sort().flatMap((actor) =>
      this.#waiting
        .get(actor)!
        .steps()
        .map((step) => ({ actor, step })),
    )
  }

  /** Actors whose statement waits for somebody else's lock. */
  get waitingForLocks(): string[] {
    return [...this.#acting].sort()
  }

  /** Lets one actor take one step, and resolves when nobody acts any more but those who wait for locks. */
  async act({ actor, step }: Offer): Promise<void> {
    const waiting = this.#waiting.get(actor)
    if (!waiting?.steps().includes(step)) throw new Error(`${actor} does not offer to ${step}`)
    this.#waiting.delete(actor)
    this.#acting.add(actor)
    waiting.go(step)
    await this.still()
  }

  async still(): Promise<void> {
    let looks = 0
    const until = performance.now() + STUCK_MS
    while (this.#acting.size > 0) {
      await this.#change(looks++ === 0 ? 4 : 1)
      if (performance.now() > until)
        throw new Error(`neither at a gate nor waiting for a lock: ${this.waitingForLocks.join(', ')}`)
      const actors = this.waitingForLocks
      if (looks > 1 && actors.length > 0 && (await this.#blocked(actors))) {
        // Who was told to go on while the locks were looked at is not among those that wait.
        const now = this.waitingForLocks
        if (now.length === actors.length && now.every((actor, index) => actor === actors[index])) return
      }
    }
  }

  /** Sends everybody home. Actors that wait for locks go once those are free. */
  abandon(): void {
    this.#abandoned = true
    for (const { leave } of this.#waiting.values()) leave()
    this.#waiting.clear()
  }

  /** Nobody is on his way home any more. */
  get deserted(): boolean {
    return this.#scripts.size === 0
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#changed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
