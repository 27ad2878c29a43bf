import type { Story } from '../story.ts'
import type { Invariant } from '../verdict.ts'

/** A small good history, and how it is bent so that one invariant breaks. */
export type Bend = readonly [invariant: Invariant, what: string, tell: (story: Story, bent: boolean) => void]
