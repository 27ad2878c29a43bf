import type { Work } from './history.ts'
import { between, oneOf, type Random } from './random.ts'
import { LONGEST_DELAY_MS, LONGEST_RUN_MS, TX_TYPE, TYPE } from './settings.ts'

/** A job before it is asked for: the same however it is sent. */
export interface Wish {
  type: string
  work: Work
  /** JSON text of what else is in the payload. */
  extra?: string
  delayMs?: number
  maxAttempts: number
  priority: number
}

/** One of every twenty is hostile, one of every thirty longer than a lease; half complete through their own transaction. */
export function nextWish(random: Random): Wish {
  const work = nextWork(random)
  const isTx = work.do !== 'hostile' && random() < 0.5
  return {
    type: isTx ? TX_TYPE : TYPE,
    work: isTx ? { ...work, tx: true } : work,
    maxAttempts: random() < 0.3 ? between(random, 2, 6) : 25,
    priority: random() < 0.1 ? between(random, -3, 3) : 0,
    ...(work.do === 'hostile' ? { extra: oneOf(random, HOSTILE_PAYLOADS) } : {}),
    ...(random() < 0.12
      ? { delayMs: between(random, 200, random() < 0.2 ? LONGEST_DELAY_MS : LONGEST_DELAY_MS / 4) }
      : {}),
  }
}

function nextWork(random: Random): Work {
  const draw = random()
  if (draw < 0.4) return { do: 'return' }
  if (draw < 0.75) return { do: 'sleep', ms: between(random, 20, 300) }
  if (draw < 0.92) return { do: 'fail', times: between(random, 1, 3) }
  if (draw < 0.97) return { do: 'hostile', times: between(random, 0, HOSTILE_ENDS - 1) }
  return { do: 'sleep', ms: between(random, 5_000, LONGEST_RUN_MS) }
}

/** How many ways there are for a hostile handler to end; `Work.times` says which. */
export const HOSTILE_ENDS = 8

/** JSON text that is stored whole or refused, never anything else. */
export const HOSTILE_PAYLOADS: readonly string[] = [
  String.raw`{"nul":"a\u0000b"}`,
  String.raw`["\ud800"]`,
  String.raw`{"\u0000":1}`,
  '1e400',
  '1e131071',
  '{"a":1,"a":2}',
  '{"__proto__":{"polluted":true},"constructor":null}',
  '9007199254740993',
  '-0',
  String.raw`"\u001b[2J\u202e\ufeff"`,
  `${'['.repeat(600)}${']'.repeat(600)}`,
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  JSON.stringify('x'.repeat(200_000)),
  '{',
  'null',
]
