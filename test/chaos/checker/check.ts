import type { HistoryEvent } from '../history.ts'
import { checkAcknowledged, checkRefused } from './acknowledged.ts'
import { checkAttempts, checkDead } from './attempts.ts'
import { checkCompletions } from './completions.ts'
import { checkEffects } from './effects.ts'
import { factsOf } from './facts.ts'
import { figuresOf } from './figures.ts'
import { checkFinalStates } from './final-states.ts'
import { checkLateOutcomes } from './late-outcomes.ts'
import { checkOverdue } from './overdue.ts'
import { checkRunAt } from './run-at.ts'
import { checkTokens } from './tokens.ts'
import { checkUnstarted } from './unstarted.ts'
import { vacuousReasons } from './vacuous.ts'
import { INVARIANTS, type Invariant, type Limits, type Report, type Verdict, type Violation } from './verdict.ts'
import { checkAsked, checkNames } from './wishes.ts'

/** More of one kind prove nothing more. */
const MOST_VIOLATIONS = 100

/** Judges what a run of the harness left behind, by nothing but its events. */
export function check(history: readonly HistoryEvent[], limits: Limits): Verdict {
  const facts = factsOf(history)
  const violations: Violation[] = []
  const counts: Verdict['counts'] = {}
  const report: Report = (invariant, violation) => {
    const n = (counts[invariant] = (counts[invariant] ?? 0) + 1)
    if (n <= MOST_VIOLATIONS) violations.push({ invariant, ...violation })
  }
  checkAcknowledged(facts, limits, report)
  checkNames(facts, report)
  checkRefused(facts, report)
  checkAsked(facts, report)
  checkTokens(facts, report)
  checkCompletions(facts, report)
  checkLateOutcomes(facts, report)
  checkEffects(facts, report)
  checkAttempts(facts, limits, report)
  checkUnstarted(facts, limits, report)
  checkFinalStates(facts, report)
  checkRunAt(facts, report)
  checkDead(facts, report)
  checkOverdue(facts, limits, report)
  const figures = figuresOf(facts, limits)
  const vacuous = vacuousReasons(facts, figures)
  const broken = (Object.keys(INVARIANTS) as Invariant[]).filter((invariant) => counts[invariant])
  return { passed: broken.length === 0 && vacuous.length === 0, broken, counts, violations, vacuous, figures }
}
