import { parseArgs } from 'node:util'
import { CASES } from './cases.js'
import { positive, SIZES, sizesFrom } from './sizes.js'
import { SYSTEMS } from './systems/index.js'

export const USAGE = `node bench/run.js [options]

  --quick             small and once: shows that everything runs and that no ratio to the floor has fallen by half
  --runs 3            measurements of each system in each case, in turn
  --only a,b          these systems: ${wrapped(SYSTEMS)}
  --case a,b          these cases, or all of a group such as "features": ${wrapped(CASES.filter(({ optional }) => !optional))};
                      only by name: ${wrapped(CASES.filter(({ optional }) => optional))}
${SIZES.map(({ name, full, says }) => `  ${`--${name} ${full}`.padEnd(25)} ${says}\n`).join('')}\
  --database-url url  another PostgreSQL than ForgeQ's embedded one, as a superuser
  --output file       where the results go; otherwise bench/results/<time>.json
`

const TEXTS = ['runs', 'only', 'case', 'database-url', 'output', ...SIZES.map(({ name }) => name)]

/** The options of a run. Throws an Error that says which is wrong. */
export function parseArguments(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      quick: { type: 'boolean', default: false },
      ...Object.fromEntries(TEXTS.map((name) => [name, { type: 'string' }])),
    },
  })
  const named = chosen('--case', values.case, CASES)
  return {
    help: values.help,
    quick: values.quick,
    runs: positive('--runs', values.runs ?? (values.quick ? '1' : '3')),
    sizes: sizesFrom(values, values),
    systems: chosen('--only', values.only, SYSTEMS),
    cases: values.case === undefined ? named.filter(({ optional }) => !optional) : named,
    databaseUrl: values['database-url'],
    output: values.output,
  }
}

function chosen(flag, list, all) {
  if (list === undefined) return all
  const names = list.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !all.some((entry) => [entry.name, entry.group].includes(name)))
  if (unknown.length > 0) {
    throw new Error(`${flag} does not know ${unknown.join(', ')}: there are ${all.map(({ name }) => name).join(', ')}.`)
  }
  return all.filter(({ name, group }) => names.includes(name) || names.includes(group))
}

function wrapped(entries) {
  const lines = ['']
  for (const { name } of entries) {
    if (lines.at(-1).length + name.length > 88) lines.push('')
    lines[lines.length - 1] += `${lines.at(-1) ? ', ' : ''}${name}`
  }
  return lines.join(`,\n${' '.repeat(22)}`)
}
