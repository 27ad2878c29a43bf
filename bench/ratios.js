import { readFileSync } from 'node:fs'
import { CASES } from './cases.js'
import { ratioTo, summariseAll } from './report.js'

/** Where the ratios of the last full run are kept. */
export const RATIOS = new URL('./ratios.json', import.meta.url)

const FALLEN_BELOW = 0.5

/** ForgeQ's rate over the floor's by case, of the medians of some measurements. */
export function ratiosOf(measurements) {
  const summary = summariseAll(measurements)
  const found = CASES.flatMap((benchCase) =>
    benchCase.figures
      .filter(({ name }) => name === 'perSecond')
      .map((figure) => [benchCase.name, ratioTo(summary, [benchCase.floor], benchCase, figure)])
      .filter(([, ratio]) => ratio !== undefined),
  )
  return Object.fromEntries(found)
}

/** The cases whose ratio is below half of the one that is kept, with both; cases without one have none to fall from. */
export function fallenRatios(measurements) {
  const kept = JSON.parse(readFileSync(RATIOS, 'utf8'))
  return Object.entries(ratiosOf(measurements))
    .filter(([name, ratio]) => ratio < FALLEN_BELOW * kept[name])
    .map(([name, ratio]) => ({ name, ratio, kept: kept[name] }))
}
