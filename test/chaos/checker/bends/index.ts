import { ATTEMPT_BENDS } from './attempts.ts'
import { DEATH_BENDS } from './deaths.ts'
import { EFFECT_BENDS } from './effects.ts'
import { ENQUEUE_BENDS } from './enqueues.ts'
import { FINAL_STATE_BENDS } from './final-states.ts'
import { LATE_OUTCOME_BENDS } from './late-outcomes.ts'
import { OVERDUE_BENDS } from './overdue.ts'
import { RUN_AT_BENDS } from './run-at.ts'
import { UNSTARTED_BENDS } from './unstarted.ts'
import { TOKEN_BENDS } from './tokens.ts'
import type { Bend } from './bend.ts'

/** All of them, by invariant. */
export const BENDS: readonly Bend[] = [
  ...ENQUEUE_BENDS, // I1–I4
  ...TOKEN_BENDS, // I5–I6
  ...LATE_OUTCOME_BENDS, // I7
  ...EFFECT_BENDS, // I8
  ...ATTEMPT_BENDS, // I9
  ...UNSTARTED_BENDS, // I9
  ...FINAL_STATE_BENDS, // I10
  ...RUN_AT_BENDS, // I11
  ...DEATH_BENDS, // I12
  ...OVERDUE_BENDS, // I13
]
