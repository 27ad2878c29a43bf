import { ForgeQError, type ErrorCode } from '../errors.ts'
import { PROBLEM_MEDIA_TYPE, problemType, type ProblemView } from '../wire/problem.ts'
import { snakeName } from '../wire/snake.ts'
import { STATUS, TITLES } from './status.ts'

/** Codes after which the same request may well succeed, with the seconds to wait first. */
const RETRY_AFTER: Partial<Record<ErrorCode, string>> = {
  overloaded: '1',
  unavailable: '1',
  schema_mismatch: '10',
  queue_full: '1',
}

/** No answer lists more; the detail says how many there were. */
const MAX_ERRORS = 1_000

/** The problem document of an error thrown on purpose. */
export function problemOf(error: ForgeQError): ProblemView {
  const { code, errors, hint } = error
  return {
    ...idsOf(error), // whose names give way to the document's own: the driver's errors have a code, too
    type: problemType(code),
    title: TITLES[code],
    status: STATUS[code],
    detail: detailOf(error),
    code,
    ...(errors.length > 0 && { errors: errors.slice(0, MAX_ERRORS) }),
    ...(hint !== undefined && { hint }),
  }
}

/** An answer that carries a problem. `status` only where HTTP itself asks for another one than the code's. */
export function problemResponse(error: ForgeQError, headers: Record<string, string> = {}): Response {
  const problem = problemOf(error)
  const retryAfter = RETRY_AFTER[error.code]
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      'content-type': PROBLEM_MEDIA_TYPE,
      'cache-control': 'no-store',
      ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
      ...headers,
    },
  })
}

/** An answer for what nobody foresaw: it says nothing but where the log tells more. */
export function unexpectedResponse(requestId: string): Response {
  const problem: ProblemView = {
    type: problemType('internal'),
    title: TITLES.internal,
    status: STATUS.internal,
    detail: 'something went wrong here; the log of the server tells more under this request_id',
    code: 'internal',
    request_id: requestId,
  }
  return new Response(JSON.stringify(problem), {
    status: STATUS.internal,
    headers: { 'content-type': PROBLEM_MEDIA_TYPE, 'cache-control': 'no-store' },
  })
}

function detailOf({ errors, message }: ForgeQError): string {
  const first = errors[0]
  if (errors.length < 2 || first === undefined) return message
  const place = first.path === '' ? '' : `${first.path}: `
  return `${errors.length} problems, the first of them ${place}${first.message}`
}

/** Ids, states and figures that the error carries; nothing with an inside of its own leaves the process. */
function idsOf({ details }: ForgeQError): Record<string, string | number | boolean> {
  const ids: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(details)) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      ids[snakeName(name)] = value
  }
  return ids
}
