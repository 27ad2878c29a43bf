export const JOB_STATES = [
  'scheduled',
  'pending',
  'running',
  'retrying',
  'blocked',
  'completed',
  'dead',
  'cancelled',
] as const

export type JobState = (typeof JOB_STATES)[number]

/** Every legal move. A statement that changes `state` appears here, and here only once. */
export const TRANSITIONS = {
  scheduled: ['pending', 'cancelled'],
  pending: ['running', 'scheduled', 'cancelled'],
  running: ['completed', 'retrying', 'scheduled', 'pending', 'blocked', 'dead', 'cancelled'],
  retrying: ['pending', 'cancelled'],
  blocked: ['pending', 'cancelled'],
  // A person's retry begins a new life.
  completed: ['pending'],
  dead: ['pending'],
  cancelled: ['pending'],
} as const satisfies Record<JobState, readonly JobState[]>

export const FINAL_STATES = ['completed', 'dead', 'cancelled'] as const satisfies readonly JobState[]
export type FinalState = (typeof FINAL_STATES)[number]

/** True for a job that nothing but a person's retry moves any more. */
export const isFinal = (state: JobState): state is FinalState => (FINAL_STATES as readonly JobState[]).includes(state)

export const canMove = (from: JobState, to: JobState): boolean =>
  (TRANSITIONS[from] as readonly JobState[]).includes(to)
