import { joinPath } from '../job/json.ts'
import type { FieldProblem } from './problem.ts'

/** What a refused enqueue comes to, the gravest first: one that is both is called by the first. */
export const FAILURE_CODES = ['invalid_json', 'payload_too_large', 'invalid_job', 'unsupported'] as const
export type FailureCode = (typeof FAILURE_CODES)[number]

/** Why a body is no possible job: every problem at once. `code` is one of the codes of errors. */
export interface Failure {
  code: FailureCode
  problems: FieldProblem[]
  job?: never
  jobs?: never
}

export const failure = (code: FailureCode, path: string, message: string): Failure => ({
  code,
  problems: [{ path, message }],
})

/** All problems of several failures; undefined when there is none. */
export function mergeFailures(failures: Failure[]): Failure | undefined {
  const code = FAILURE_CODES.find((code) => failures.some((failure) => failure.code === code))
  return code && { code, problems: failures.flatMap(({ problems }) => problems) }
}

/** The failure of one item of many, its paths beginning with the item's place. */
export const placed = ({ code, problems }: Failure, place: string): Failure => ({
  code,
  problems: problems.map(({ path, message }) => ({ path: joinPath(place, path), message })),
})
