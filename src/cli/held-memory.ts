import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const YOUNG_BYTES = 16 * 1_048_576
const OLD_GROWTH_PERCENT = 150
const LOOK_MS = 250

/**
 * Keeps the memory of a process that stays near what it holds, for a tenth more CPU time at most. Left alone, V8 gives young
 * objects up to 128 MB on a machine that has them, and old ones up to four times what they take: a server that is sent
 * bulks ends at three times its size. Whoever has given V8 limits of their own keeps those. Returns what ends it.
 */
export function holdMemory({ NODE_OPTIONS = '' }: Readonly<Record<string, string | undefined>>): () => void {
  const given = `${process.execArgv.join(' ')} ${NODE_OPTIONS}`
  if (/--(max|min)[-_]semi[-_]space|--heap[-_]growing/.test(given)) return () => {}
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`)
  // Both are read at each collection, unlike the limit itself, which is fixed when the process starts. A quiet process gives
  // its young space back, and must be able to take it again.
  let growth = 2
  const look = setInterval(() => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
    const wanted = (young?.space_size ?? 0) < YOUNG_BYTES ? 2 : 1
    if (wanted !== growth) setFlagsFromString(`--semi-space-growth-factor=${(growth = wanted)}`)
  }, LOOK_MS)
  look.unref()
  return () => clearInterval(look)
}
