import type { Knobs } from './spin.ts'

/** Faults that the model as it is must stand, together; each run is walked to the end. */
export const GOOD: readonly Knobs[] = [
  { LOSSES: 2, CANCELS: 1, REPORTS: 1 },
  { CRASHES: 1, CANCELS: 1, UNCOUNTED: 1, REPORTS: 1 },
  { CRASHES: 1, LOSSES: 1, UNCOUNTED: 1 },
  { CRASHES: 1, AGES: 1 },
  { AGES: 1, STOPS: 1, CANCELS: 1 },
  { AGES: 1, LOSSES: 1 },
  { AGES: 1, AHEAD: 1, STOPS: 1 },
  { FAILOVERS: 1 },
]

/** The same where recovery waits until a session has been ended: then a heartbeat that is committed late harms nothing. */
export const PATIENT: readonly Knobs[] = [
  { PATIENT: 1, NOTES: 1, CRASHES: 1, AGES: 1 },
  { PATIENT: 1, AGES: 2 },
]

/** Takes minutes and gigabytes: more faults, each worker may fail, the standby may lag at any moment. */
export const LONG: readonly Knobs[] = [
  { LOSSES: 2, UNCOUNTED: 1, CANCELS: 1, REPORTS: 1 },
  { CRASHES: 1, AGES: 1, STOPS: 1 },
  { AGES: 1, LOSSES: 1, CANCELS: 1 },
  { NOTES: 1, CRASHES: 1, AGES: 1, STOPS: 1 },
  { FAILOVERS: 1, ANYWHERE: 1 },
  { SPREAD: 1, CRASHES: 1, LOSSES: 1, UNCOUNTED: 1 },
  { SPREAD: 1, AGES: 1, LOSSES: 1, CANCELS: 1 },
  { CRASHES: 2, LOSSES: 1, CANCELS: 1 },
  { LOSSES: 3, CANCELS: 1 },
]

/** With three workers, or with two servers that recover. */
export const WIDER: readonly { flag: string; faults: Knobs }[] = [
  { flag: '-DWORKERS=3', faults: { CRASHES: 1, LOSSES: 1 } },
  { flag: '-DWORKERS=3', faults: { AGES: 1 } },
  { flag: '-DRECOVERERS=2', faults: { CRASHES: 1, LOSSES: 1 } },
  { flag: '-DRECOVERERS=2', faults: { AGES: 1, CANCELS: 1 } },
]

/** Faults under which every job must end, and what is lost must be found. */
export const LIVE: readonly Knobs[] = [
  { CRASHES: 1, LOSSES: 1 },
  { AGES: 1, CANCELS: 1 },
]
export const LIVE_LONG: readonly Knobs[] = [
  { CRASHES: 1, AGES: 1 },
  { CRASHES: 1, LOSSES: 1, CANCELS: 1 },
]
