/** One change of the sources. */
export interface Edit {
  file: string
  /** Stands in the file exactly once. */
  find: string
  replace: string
}

/** Who should notice, and by what. */
export type Instrument =
  /** `npm run chaos` with these faults only. */
  | { by: 'chaos'; faults: readonly string[]; minutes: number; invariants: readonly string[] }
  /** Random walks of two workers over the real statements. */
  | { by: 'walk'; scenario: string; changes?: Readonly<Record<string, unknown>>; invariants: readonly string[] }
  /** A test of the suite. */
  | { by: 'suite'; file: string; test: string }

/** The product with one fence left out. */
export interface Mutant {
  name: string
  edits: readonly Edit[]
  caughtBy: Instrument
}
