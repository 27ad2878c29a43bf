import type { z } from 'zod'
import { formatPath } from '../job/json-path.ts'
import { nearest } from '../job/nearest.ts'
import type { FieldProblem } from './problem.ts'

/** A body can name a hundred thousand fields that don't exist; nobody reads more than these. */
const MAX_UNKNOWN = 50

/** What zod found as problems of ours: every one with its path, an unknown name with the nearest of the known ones. */
export function problemsOf(error: z.ZodError, known: (object: PropertyKey[]) => readonly string[]): FieldProblem[] {
  const problems = error.issues.flatMap((issue) => {
    const steps = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
    if (issue.code !== 'unrecognized_keys') return [{ path: formatPath(steps), message: issue.message }]
    return issue.keys.slice(0, MAX_UNKNOWN).map((name) => ({
      path: formatPath([...steps, name]),
      message: unknownName('field', name, known(issue.path)),
    }))
  })
  // One value can break two rules that say the same, such as whole and not too great.
  return problems.filter(({ path, message }, index) => {
    const first = problems.findIndex((other) => other.path === path && other.message === message)
    return first === index
  })
}

/** Says that a name is unknown and which one may have been meant. */
export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant === undefined ? `unknown ${kind}` : `unknown ${kind}; did you mean "${meant}"?`
}
