import Table from 'cli-table3'
import { tryMutant, WITHIN_MS } from './instruments.ts'
import type { Mutant } from './mutant.ts'
import { MUTANTS } from './mutants.ts'

const USAGE = `npm run mutants [-- name…]

Builds the product again and again, each time with one fence left out, and runs the instrument that has to notice
within ${WITHIN_MS / 60_000} minutes. Without names all of them; a part of a name is enough.

${MUTANTS.map(({ name }) => `  ${name}`).join('\n')}`

/** Exit codes: 0 all were caught, 1 one lives, 2 wrong usage, 130 interrupted. */
async function main(names: readonly string[]): Promise<number> {
  if (names.includes('--help') || names.includes('-h')) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const unknown = names.filter((name) => !MUTANTS.some((mutant) => mutant.name.includes(name)))
  if (unknown.length > 0) {
    process.stderr.write(`no such mutant: ${unknown.join(', ')}\n\n${USAGE}\n`)
    return 2
  }
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.abort())
  const wanted = MUTANTS.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)))
  const table = new Table({
    head: ['mutant', 'caught', 'instrument', 'by', 'seconds'],
    style: { head: [], border: [] },
  })
  let alive = 0
  for (const mutant of wanted) {
    process.stdout.write(`${mutant.name} … `)
    const { caught, by, seconds, said } = await tryMutant(mutant, interrupted.signal)
    if (interrupted.signal.aborted) return 130
    process.stdout.write(`${caught ? 'caught' : 'NOT CAUGHT'} by ${by} in ${seconds} s\n`)
    if (!caught) process.stdout.write(`${said}\n`)
    alive += caught ? 0 : 1
    table.push([mutant.name, caught ? 'yes' : 'NO', instrumentOf(mutant), by, String(seconds)])
  }
  process.stdout.write(`${table.toString()}\n`)
  return alive > 0 ? 1 : 0
}

function instrumentOf({ caughtBy }: Mutant): string {
  if (caughtBy.by === 'chaos') return `chaos: ${caughtBy.faults.join(', ')}`
  return caughtBy.by === 'walk' ? `walk: ${caughtBy.scenario}` : `suite: ${caughtBy.file}`
}

process.exitCode = await main(process.argv.slice(2))
