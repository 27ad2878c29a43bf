import { Violation } from './ledger.ts'
import type { Offer } from './stage.ts'
import type { World } from './world.ts'

const MOST_STEPS = 60
/** Up to here a step ends what is under way. */
const FINISHING = 2
const RANKS: [RegExp, number][] = [
  [/^open$/, 0],
  // Statements in the midst of something that has been begun.
  [/^(commit|arrive|[a-z]+(_[a-z]+)+)$/, 1],
  [/^(repeat|complete|release) @/, FINISHING],
  [/^(sync|recover|promote|register|note|claim|heartbeat)$/, FINISHING + 1],
]
const rank = ({ step }: Offer): number | undefined => RANKS.find(([pattern]) => pattern.test(step))?.[1]

/**
 * Nothing fails any more, and everybody does what is due, in turns: each job must come to its end.
 * @throws Violation
 */
export async function heal(world: World): Promise<void> {
  const turns = new Map<string, number>()
  const turn = ({ actor, step }: Offer): number => turns.get(`${actor}: ${step}`) ?? 0
  await world.beginHealing()
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    if (steps % 10 === 9) await world.ripen()
    const offers = world.stage
      .offers()
      .filter((offer) => rank(offer) !== undefined)
      .sort((a, b) => rank(a)! - rank(b)! || turn(a) - turn(b))
    const pressing = offers.find((offer) => rank(offer)! <= FINISHING)
    if (world.unfinished.length === 0 && !pressing) return
    const next = pressing ?? offers[0]
    if (!next) break
    turns.set(`${next.actor}: ${next.step}`, turn(next) + 1)
    await world.step(`${next.actor}: ${next.step}`)
  }
  const left = world.unfinished.map(({ id, state, session_id, token }) => [id.slice(-2), state, session_id, token])
  throw new Violation('I1', `after healing: ${JSON.stringify(left)}`)
}
