import { z } from 'zod'
import { DURATION_HELP, parseDuration } from '../job/duration.ts'
import { INSTANT_HELP, msFromInstant, parseInstant } from '../job/instant.ts'
import { hasLoneSurrogate } from '../job/text.ts'

const DAY_MS = 86_400_000

/** How far ahead anything can be planned: ten years with their leap days. */
export const HORIZON_MS = 3_653 * DAY_MS

/** A message that tells a field that is missing from one that is wrong. */
export const required = (help: string) => (issue: { input?: unknown }) =>
  issue.input === undefined ? 'is required' : help

/** A duration as text in, milliseconds out. */
export function duration({ minMs, maxMs, range }: { minMs: number; maxMs: number; range: string }) {
  return z.string(DURATION_HELP).transform((text, context) => {
    const ms = parseDuration(text)
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
    return refuse(context, text, ms === undefined ? DURATION_HELP : `must be ${range}`)
  })
}

/** An instant as RFC 3339 in, in UTC to the microsecond out; at most ten years ahead. */
export const instant = z.string(INSTANT_HELP).transform((text, context) => {
  const at = parseInstant(text)
  if (at !== undefined && msFromInstant(at) <= Date.now() + HORIZON_MS) return at
  return refuse(context, text, at === undefined ? INSTANT_HELP : 'must be within 10 years from now')
})

export const futureInstant = instant.refine((at) => msFromInstant(at) > Date.now(), 'must lie in the future')

/** Text for people that PostgreSQL can hold. */
export const plainText = (maxLength: number) =>
  z.string('must be text').refine((text) => isStorable(text) && text.length <= maxLength, {
    error: `must be at most ${maxLength} characters without NUL`,
  })

/** False for what no text column holds: NUL and half a character. */
export const isStorable = (text: string): boolean => !text.includes('\0') && !hasLoneSurrogate(text)

function refuse(context: z.RefinementCtx, input: unknown, message: string): never {
  context.issues.push({ code: 'custom', message, input })
  return z.NEVER
}
