/** Longer words are no typing errors, and the comparison costs the product of both lengths. */
const MAX_LENGTH = 64

/**
 * The known word that was most likely meant, or undefined when none is near. Case, `-` and `_` do not count
 * (`runAt`, `run-at` and `run_at` are one word), swapped neighbours count once, a beginning of three letters will do.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_LENGTH) return undefined
  const wanted = plain(word)
  const allowed = Math.floor(wanted.length / 3)
  let best: string | undefined
  let bestDistance = allowed + 1
  for (const candidate of known) {
    if (Math.abs(plain(candidate).length - wanted.length) >= bestDistance) continue
    const distance = editDistance(wanted, plain(candidate))
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  if (best !== undefined || wanted.length < 3) return best
  return known.find((candidate) => plain(candidate).startsWith(wanted))
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, '')

/** Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const replaced = last[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1)
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, replaced)
      if (from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1] && row > 1 && column > 1) {
        cost = Math.min(cost, beforeLast[column - 2]! + 1)
      }
      current.push(cost)
    }
    ;[beforeLast, last] = [last, current]
  }
  return last[to.length]!
}
