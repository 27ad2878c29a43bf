import { expect } from 'vitest'
import type { Answer, Service } from '../cases/service.ts'
import { ProblemView } from '../../src/wire/problem.ts'
import type { Refused } from './json-texts.ts'

export const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? Buffer.from(text, 'utf8') : text

export const joined = (...parts: (string | Uint8Array)[]): Uint8Array => Buffer.concat(parts.map(bytesOf))

/** Sends bytes as they are. */
export async function post(
  service: Pick<Service, 'url'>,
  path: string,
  body: Uint8Array,
  type = 'application/json',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body: body as Uint8Array<ArrayBuffer>,
  })
  return answerOf(response)
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const json = (): unknown => JSON.parse(text)
  return {
    status: response.status,
    headers: response.headers,
    text,
    json,
    job: () => json() as ReturnType<Answer['job']>,
    items: () => (json() as { items: ReturnType<Answer['items']> }).items,
    problem: () => json() as ReturnType<Answer['problem']>,
    why: () => json() as ReturnType<Answer['why']>,
    bulk: () => (json() as { jobs: ReturnType<Answer['bulk']> }).jobs,
  }
}

/** Words of a stack, of SQL or of the driver: what no sender should ever read. */
const OURS =
  /\n {2,}at |node_modules|\.ts:\d|select |insert |jsonb|syntax error|SQLSTATE|22P0|54001|undefined|\[object /i
/** What is refused is told in few words, however long it was. */
const MOST_TOLD = 20_000

/** A well-formed refusal of the sender with the path of what was wrong, in words of ours and not at length. */
export function expectRefused(answer: Answer, { status, code, path }: Refused, prefix?: RegExp): void {
  expect(answer.status, answer.text.slice(0, 500)).toBe(status)
  const problem = ProblemView.parse(answer.json())
  expect(problem).toMatchObject({ status, code })
  expect(answer.text).not.toMatch(OURS)
  expect(answer.text.length).toBeLessThan(MOST_TOLD)
  if (prefix) {
    const [first] = problem.errors ?? []
    expect(first?.path).toMatch(prefix)
    const inside = first!.path.replace(prefix, '').replace(/^\./, '')
    if (typeof path === 'string') expect(inside).toBe(path)
    else if (path) expect(inside).toMatch(path)
  }
}
