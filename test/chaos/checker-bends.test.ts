import { describe, expect, test } from 'vitest'
import { BENDS } from './checker/bends/index.ts'
import { check } from './checker/check.ts'
import { LIMITS, Story } from './checker/story.ts'
import { INVARIANTS } from './checker/verdict.ts'

describe('breaks exactly one invariant when', () => {
  test.each(BENDS)('%s: %s', (invariant, _, tell) => {
    const good = new Story()
    tell(good, false)
    expect(check(good.events, LIMITS).violations).toEqual([])
    const bent = new Story()
    tell(bent, true)
    const { broken, violations } = check(bent.events, LIMITS)
    expect(broken).toEqual([invariant])
    for (const { sentence, events } of violations) {
      expect(sentence).toMatch(/^\S.*\.$/)
      expect(events.length).toBeGreaterThan(0)
    }
  })

  test('each invariant has its bend', () => {
    expect([...new Set(BENDS.map(([invariant]) => invariant))]).toEqual(Object.keys(INVARIANTS))
  })
})
