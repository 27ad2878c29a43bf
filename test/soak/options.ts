import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

export interface Options {
  minutes: number
  /** Jobs that wait before each drain. */
  backlog: number
  workers: number
  /** A folder with `dist/` and `package.json`. */
  product: string
}

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

export const USAGE = `npm run soak -- [--minutes M] [--backlog N] [--workers W] [--product DIR]

  --minutes  how long it goes on (30)
  --backlog  so many jobs wait at each flood (100000)
  --workers  processes that work (2)
  --product  a folder with dist/ and package.json; this repository when absent`

/** @throws {Error} with what is wrong, in words */
export function readOptions(args: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '30' },
      backlog: { type: 'string', default: '100000' },
      workers: { type: 'string', default: '2' },
      product: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) throw new Error('--minutes is a number above 0')
  const [backlog, workers] = [Number(values.backlog), Number(values.workers)]
  if (!Number.isInteger(backlog) || backlog < 1_000) throw new Error('--backlog is a whole number of at least 1000')
  if (!Number.isInteger(workers) || workers < 1) throw new Error('--workers is a whole number of at least 1')
  const product = resolve(values.product ?? REPOSITORY)
  if (!existsSync(join(product, 'dist', 'cli', 'main.js')))
    throw new Error(`${product} has no dist/cli/main.js: run npm run build first`)
  return { minutes, backlog, workers, product }
}
