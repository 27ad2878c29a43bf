import type { Work } from '../history.ts'
import type { Member } from '../product.ts'
import type { Postgres } from '../postgres.ts'
import type { Random } from '../random.ts'

/** What a fault takes for itself: of two that take the same, one waits for the other. `target` is the process it aims at. */
export type Taken = 'target' | 'postgres' | 'sessions' | 'role' | 'rows' | 'background'

/** What of a fault can be known before anything runs; a plan is made of these alone. */
export interface FaultKind {
  readonly name: string
  readonly takes: Taken
  /** Processes it may aim at; one is drawn. None: it aims at the database. */
  readonly targets: readonly string[]
  readonly lastsMs: readonly [least: number, most: number]
  /** The product as a whole cannot do its work while it lasts, whatever a probe says. */
  readonly hinders?: true
}

/** What a fault can take hold of. */
export interface World {
  readonly postgres: Postgres
  readonly member: (name: string) => Member
  readonly members: () => readonly Member[]
  /** Whether the data lie on a disk of the harness's own, whose size is limited. */
  readonly ownDisk: boolean
  /** Puts one job on its queue by HTTP. */
  readonly enqueue: (work: Work) => Promise<void>
  readonly killedPostgres: (pid: number) => void
}

export interface Occurrence {
  readonly target: string | undefined
  readonly ms: number
  /** Draws of its own, the same for the same plan. */
  readonly random: Random
  readonly world: World
  /** Waits; cut short when the run is stopped. */
  wait(ms: number): Promise<void>
}

export interface Fault extends FaultKind {
  /** Why this machine cannot make it; absent or undefined: it can. */
  impossible?(world: World): string | undefined
  /** From beginning to end: when it returns, what it broke is whole again, also when it throws. */
  run(occurrence: Occurrence): Promise<void>
}
