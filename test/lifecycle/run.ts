import { openLane } from './lane.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { playAll, summaryOf, told } from './play-all.ts'
import { copyProduct, type Product } from './product.ts'
import { inFigures, rollingRestart } from './rolling.ts'
import { scenariosOf } from './scenario.ts'
import { asCommand } from '../support/command.ts'

/** Exit codes: 0 passed, 1 failed, 2 wrong usage, 3 vacuous, 130 interrupted. */
const main = () => asCommand({ read: readOptions, usage: USAGE, play: playThem })

const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function playThem({ seed, times, only, lanes, product: from, rolling }: Options): Promise<number> {
  say(
    `seed ${seed}: npm run lifecycle -- --seed ${seed} --times ${times}${only === undefined ? '' : ` --only ${only.join(',')}`}`,
  )
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  const product = await copyProduct(from)
  try {
    const scenarios = scenariosOf(seed, times).filter(({ number }) => only === undefined || only.includes(number))
    const all = await playAll(scenarios, {
      product,
      lanes,
      say: (played) => say(told(played)),
      signal: interrupted.signal,
    })
    if (interrupted.signal.aborted) return 130
    const { text, failed, vacuous } = summaryOf(all)
    say(text)
    if (failed > 0) {
      for (const { problems, scenario } of all)
        if (problems.length > 0) say(`again: npm run lifecycle -- --seed ${seed} --only ${scenario.number}`)
      return 1
    }
    if (rolling && !(await rolls(product, seed))) return 1
    for (const what of vacuous) say(`vacuous: ${what}`)
    return vacuous.length > 0 && only === undefined ? 3 : 0
  } finally {
    product.remove()
  }
}

async function rolls(product: Product, seed: number): Promise<boolean> {
  const lane = await openLane(product)
  try {
    const rolled = await rollingRestart(lane, seed)
    say(inFigures(rolled))
    for (const problem of rolled.problems) say(`FAIL ${problem}`)
    return rolled.problems.length === 0
  } finally {
    await lane.close()
  }
}

process.exitCode = await main()
process.exit()
