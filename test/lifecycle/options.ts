import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'

export interface Options {
  seed: number
  times: number
  /** Only these of them. */
  only: number[] | undefined
  lanes: number
  /** A folder with `dist/` and `package.json`; this repository when absent. */
  product: string | undefined
  rolling: boolean
}

export const USAGE = `npm run lifecycle -- [--seed N] [--times T] [--only K,…] [--lanes L] [--no-rolling] [--product DIR]

  --seed        the same seed gives the same scenarios; drawn and printed when absent
  --times       how many scenarios (200)
  --only        plays the Kth of them alone, or several
  --lanes       how many at the same time, each on a PostgreSQL of its own (2)
  --no-rolling  leaves the rolling restart out
  --product     a folder with dist/ and package.json; this repository when absent`

/** @throws {Error} with what is wrong, in words */
export function readOptions(args: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: String(randomInt(2 ** 31)) },
      times: { type: 'string', default: '200' },
      only: { type: 'string' },
      lanes: { type: 'string', default: '2' },
      product: { type: 'string' },
      'no-rolling': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const whole = (name: 'seed' | 'times' | 'only' | 'lanes', least: number): number => {
    const value = Number(values[name])
    if (!Number.isInteger(value) || value < least) throw new Error(`--${name} is a whole number of at least ${least}`)
    return value
  }
  const only = values.only?.split(',').map(Number)
  if (only?.some((number) => !Number.isInteger(number) || number < 1))
    throw new Error('--only names scenarios by number')
  return {
    seed: whole('seed', 0),
    times: Math.max(whole('times', 1), ...(only ?? [])),
    only,
    lanes: whole('lanes', 1),
    product: values.product,
    rolling: !values['no-rolling'] && only === undefined,
  }
}
