/** The label value that stands for everything beyond the bound. */
export const OTHER = '_other'

/**
 * Lets at most `max` distinct values through, the first that come, and calls the rest `_other`: names of jobs are data
 * of users, and a metric has one series for each. A value that was let through once stays, so no series ever moves.
 */
export function createLabelBound(max: number): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.has(value)) return value
    if (known.size >= max) return OTHER
    known.add(value)
    return value
  }
}
