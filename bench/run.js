import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NODE_20, NODE_24 } from './nodes.js'

const LOOKS_AGAIN = 2
const DIST = new URL('../dist/index.js', import.meta.url)

// Every system runs on the same Node, but for the one that says otherwise.
if (NODE_24 && process.env.FORGEQ_BENCH_NODE !== NODE_24) {
  const env = { ...process.env, FORGEQ_BENCH_NODE: NODE_24, ...(NODE_20 && { FORGEQ_BENCH_NODE_20: NODE_20 }) }
  const { status } = spawnSync(NODE_24, process.argv.slice(1), { stdio: 'inherit', env })
  process.exit(status ?? 1)
}

const { parseArguments, USAGE } = await import('./arguments.js')
const { describeMachine } = await import('./machine.js')
const { fallenRatios } = await import('./ratios.js')
const { renderTables, summariseAll } = await import('./report.js')
const { runCase } = await import('./run-case.js')
const { NO_STORE } = await import('./stores/none.js')
const { startPostgres } = await import('./stores/postgres.js')
const { createRedisStore } = await import('./stores/redis.js')

process.exit(await main())

async function main() {
  let options
  try {
    options = parseArguments(process.argv.slice(2))
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`)
    return 2
  }
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  if (options.systems.some(({ file }) => file === './forgeq.js') && !existsSync(DIST)) {
    console.error('ForgeQ is not built: run `npm run build` first, or leave it out with --only.')
    return 1
  }

  const machine = describeMachine()
  if (options.systems.some(({ store }) => store === 'redis') && !machine.redis) {
    console.error(
      'redis-server was not found: install it (apt-get install redis-server), or leave BullMQ out with --only.',
    )
    return 1
  }

  const startedAt = new Date()
  const output = options.output ?? defaultOutput(startedAt)
  await mkdir(dirname(output), { recursive: true })
  const postgres = await startPostgres(options)
  let measurements
  let fallen = []
  try {
    const { runs, sizes, quick } = options
    const about = { startedAt, options: { runs, ...sizes, quick }, machine, postgres: await postgres.describe() }
    // After each measurement: a run takes hours, and what ends it early must not take the figures with it.
    const keep = async (done) => {
      const report = { ...about, summary: summariseAll(done), measurements: done }
      await writeFile(output, `${JSON.stringify(report, null, 2)}\n`)
    }
    const stores = { postgres, redis: createRedisStore(), none: NO_STORE }
    measurements = await measureAll(options, stores, keep)
    if (quick) fallen = await lookAgain(options, stores, fallenRatios(measurements))
  } finally {
    await postgres.stop()
  }

  for (const table of renderTables(summariseAll(measurements))) console.log(`${table}\n`)
  console.log(`All figures: ${output}`)
  const failed = measurements.filter(({ failure }) => failure)
  for (const one of failed) console.error(`FAILED ${one.system}, ${one.case}, run ${one.run}: ${one.failure}`)
  for (const { name, ratio, kept } of fallen) {
    console.error(`FALLEN ${name}: ${ratio.toFixed(2)} of the floor, where the last full run had ${kept.toFixed(2)}`)
  }
  return failed.length + fallen.length > 0 ? 1 : 0
}

/** What has fallen is measured again by itself: only what is down each time is not the machine's doing. */
async function lookAgain(options, stores, fallen) {
  for (let look = 1; look <= LOOKS_AGAIN && fallen.length > 0; look += 1) {
    const cases = options.cases.filter(({ name }) => fallen.some((one) => one.name === name))
    const systems = options.systems.filter(({ name }) => cases.some((one) => ['forgeq', one.floor].includes(name)))
    fallen = fallenRatios(await measureAll({ ...options, cases, systems }, stores))
  }
  return fallen
}

/** Systems in turn, run by run, so that whatever disturbs the machine for a while falls on all of them. */
async function measureAll({ systems, cases, runs, sizes }, stores, keep = async () => {}) {
  const pairs = cases.flatMap((benchCase) =>
    systems.filter(({ name }) => benchCase.systems.includes(name)).map((system) => ({ benchCase, system })),
  )
  const measurements = []
  for (let run = 1; run <= runs; run += 1) {
    for (const { benchCase, system } of pairs) {
      progress(`${measurements.length + 1} of ${pairs.length * runs}: run ${run}, ${benchCase.name}, ${system.name}`)
      const result = await runCase(benchCase, system, { sizes, stores })
      measurements.push({ run, case: benchCase.name, system: system.name, ...result })
      await keep(measurements)
    }
  }
  progress('')
  return measurements
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`)
  else if (text) process.stderr.write(`${text}\n`)
}

function defaultOutput(startedAt) {
  const time = startedAt.toISOString().slice(0, 19).replaceAll(':', '-')
  return fileURLToPath(new URL(`./results/${time}.json`, import.meta.url))
}
