import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

export interface Options {
  seed: number
  minutes: number
  /** A folder with `dist/` and `package.json`. */
  product: string
  /** Only these. */
  faults: string[] | undefined
  /** Where history and logs go and stay. */
  keep: string | undefined
}

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

export const USAGE = `npm run chaos -- [--seed N] [--minutes M] [--faults a,b] [--product DIR] [--keep DIR]

  --seed     the same seed gives the same plan; drawn and printed when absent
  --minutes  how long faults go on (2)
  --faults   only these, by their names
  --product  a folder with dist/ and package.json; this repository when absent
  --keep     keeps history and logs in this folder, also when all is well`

/** @throws {Error} with what is wrong, in words */
export function readOptions(args: string[], known: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string', default: '2' },
      product: { type: 'string' },
      faults: { type: 'string' },
      keep: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed)
  if (!Number.isInteger(seed)) throw new Error('--seed is a whole number')
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) throw new Error('--minutes is a number above 0')
  const product = resolve(values.product ?? REPOSITORY)
  if (!existsSync(join(product, 'dist', 'cli', 'main.js')))
    throw new Error(`${product} has no dist/cli/main.js: run npm run build first`)
  const faults = values.faults?.split(',').filter((name) => name !== '')
  const unknown = faults?.filter((name) => !known.includes(name)) ?? []
  if (unknown.length > 0) throw new Error(`no such fault: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return { seed, minutes, product, faults, keep: values.keep === undefined ? undefined : resolve(values.keep) }
}

/** The command that does the same again. */
export const replayOf = ({ seed, minutes, product, faults }: Options): string =>
  [
    `npm run chaos -- --seed ${seed} --minutes ${minutes}`,
    ...(faults ? [`--faults ${faults.join(',')}`] : []),
    ...(product === resolve(REPOSITORY) ? [] : [`--product ${product}`]),
  ].join(' ')
