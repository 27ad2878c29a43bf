import type { Scenario } from './scenario.ts'

const PLAIN: Scenario = {
  number: 0,
  kind: 'told once',
  command: 'worker',
  atMs: 100,
  told: [{ signal: 'SIGTERM', afterMs: 0 }],
  toGroup: false,
  output: 'read',
  database: undefined,
  devKilled: false,
  migrationHeld: undefined,
  slowCaller: false,
  graceMs: 1_000,
  work: { short: 40, shortMs: 100, heeding: 0, deaf: 0, programs: 0, deafPrograms: 0 },
}

/** What once went wrong, at the moment at which it did. */
const KNOWN: Partial<Scenario>[] = [
  // The worker ended at once when nobody read its log any more, and its jobs waited for the end of their lease.
  { kind: 'piped into head', output: { head: 3, with: 'both' } },
  // Ended between two migrations, by a second signal or with its database, a new database was refused from then on.
  {
    kind: 'told while it migrates',
    migrationHeld: { at: 'between', forMs: undefined },
    told: [...PLAIN.told, { signal: 'SIGTERM', afterMs: 1_300 }],
  },
  // A process that waited for somebody else's migration waited on when it was told to end.
  { kind: 'told while it migrates', migrationHeld: { at: 'first', forMs: undefined } },
  // Each outcome that could not be written while the database was away was a stack trace in the log.
  {
    kind: 'told as the database goes',
    database: { stopsAtMs: -50, how: 'immediate', backAtMs: undefined },
    work: { ...PLAIN.work, shortMs: 20, short: 60 },
  },
  // Its worker had to end first, then a request that nobody ended had its five seconds.
  { command: 'dev', slowCaller: true, graceMs: 2_000, work: { ...PLAIN.work, deaf: 1 } },
]

/** Numbered after so many others. */
export const knownScenarios = (after: number): Scenario[] =>
  KNOWN.map((known, index) => ({ ...PLAIN, ...known, number: after + index + 1 }))
