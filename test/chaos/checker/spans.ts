/** From and to, in milliseconds of the history's clock. */
export type Span = readonly [from: number, to: number]

/** The same times, in order and without overlaps. */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: [number, number][] = []
  for (const [from, to] of spans.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1)
    if (last && from <= last[1]) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

/** Of the whole seconds of `[from, until]`, how many have one of these events. */
export function shareOfSeconds(events: readonly { at: number }[], from: number, until: number): number {
  const seconds = Math.floor((until - from) / 1000)
  if (seconds <= 0) return 0
  const hit = new Set(events.map(({ at }) => Math.floor((at - from) / 1000)))
  const n = [...hit].filter((second) => second >= 0 && second < seconds).length
  return Math.round((n / seconds) * 1000) / 1000
}

/** How much of `[from, to]` these merged spans cover. */
export function covered(spans: readonly Span[], [from, to]: Span): number {
  let ms = 0
  for (const [start, end] of spans) ms += Math.max(0, Math.min(end, to) - Math.max(start, from))
  return ms
}
