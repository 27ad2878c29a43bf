import { parseArgs } from 'node:util'
import { CASES } from './cases.js'
import { SYSTEMS } from './systems/index.js'

export const USAGE = `node bench/run.js [options]

  --quick             small and once: shows that everything runs, gives no figures to rest on
  --runs 3            measurements of each system in each case, in turn
  --jobs 100000       waiting jobs of a drain, and jobs of "1,000 a call"
  --seconds 4         length of the other enqueue cases
  --only a,b          these systems: ${wrapped(SYSTEMS)}
  --case a,b          these cases: ${wrapped(CASES)}
  --database-url url  another PostgreSQL than ForgeQ's embedded one, as a superuser
  --output file       where the results go; otherwise bench/results/<time>.json
`

/** The options of a run. Throws an Error that says which is wrong. */
export function parseArguments(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      jobs: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      case: { type: 'string' },
      'database-url': { type: 'string' },
      output: { type: 'string' },
    },
  })
  return {
    help: values.help,
    quick: values.quick,
    runs: positive('--runs', values.runs ?? (values.quick ? '1' : '3')),
    sizes: {
      jobs: positive('--jobs', values.jobs ?? (values.quick ? '5000' : '100000')),
      enqueueMs: 1000 * positive('--seconds', values.seconds ?? (values.quick ? '1' : '4')),
    },
    systems: chosen('--only', values.only, SYSTEMS),
    cases: chosen('--case', values.case, CASES),
    databaseUrl: values['database-url'],
    output: values.output,
  }
}

function positive(flag, text) {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new Error(`${flag} must be a whole number above zero, not "${text}".`)
}

function chosen(flag, list, all) {
  if (list === undefined) return all
  const names = list.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !all.some((entry) => entry.name === name))
  if (unknown.length > 0) {
    throw new Error(`${flag} does not know ${unknown.join(', ')}: there are ${all.map(({ name }) => name).join(', ')}.`)
  }
  return all.filter(({ name }) => names.includes(name))
}

function wrapped(entries) {
  const names = entries.map(({ name }) => name)
  const half = Math.ceil(names.length / 2)
  return `${names.slice(0, half).join(', ')},\n${' '.repeat(22)}${names.slice(half).join(', ')}`
}
