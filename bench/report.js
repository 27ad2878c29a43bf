import Table from 'cli-table3'
import { summarise } from './statistics.js'

const PLAIN = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'right']
    .concat(['left-mid', 'mid', 'mid-mid', 'right-mid', 'middle'])
    .map((part) => [part, '']),
)

/** Median, least and greatest rate of each system in each case; failed measurements do not count. */
export function summariseAll({ systems, cases, measurements }) {
  return systems.map((system) => ({
    system: system.name,
    cases: Object.fromEntries(
      cases.map(({ name }) => {
        const rates = measurements.filter((one) => one.system === system.name && one.case === name && !one.failure)
        return [name, summarise(rates.map((one) => one.perSecond))]
      }),
    ),
  }))
}

/** The table for a terminal: medians with least and greatest below, then ForgeQ beside the best of the others. */
export function renderTable({ summary, cases }) {
  const table = new Table({
    chars: PLAIN,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    head: ['jobs a second', ...cases.map(({ title }) => title)],
    colAligns: ['left', ...cases.map(() => 'right')],
  })
  for (const row of summary) {
    table.push([row.system, ...cases.map(({ name }) => cell(row.cases[name]))])
  }
  for (const { title, ratio } of ratios(summary)) {
    table.push([title, ...cases.map(({ name }) => ratio(name))])
  }
  return table.toString().replaceAll(/ +$/gm, '')
}

function ratios(summary) {
  if (!summary.some(({ system }) => system === 'forgeq')) return []
  const medianOf = (system, name) => summary.find((row) => row.system === system)?.cases[name]?.median
  const compared = [
    { title: 'forgeq ÷ floor', others: ['floor'] },
    { title: 'forgeq ÷ best on PostgreSQL', others: ['graphile-worker', 'pg-boss'] },
    { title: 'forgeq ÷ bullmq', others: ['bullmq'] },
    { title: 'forgeq ÷ bullmq-fsync', others: ['bullmq-fsync'] },
  ]
  return compared.map(({ title, others }) => {
    const ratio = (name) => {
      const ours = medianOf('forgeq', name)
      const best = Math.max(...others.map((system) => medianOf(system, name) ?? 0))
      return ours && best ? `${(ours / best).toFixed(2)} ×` : '–'
    }
    return { title, ratio }
  })
}

/** The same as a Markdown table for the README, with the machine it holds for. */
export function renderMarkdown({ summary, machine, postgres, startedAt, options }) {
  const names = Object.keys(summary[0].cases)
  const lines = [
    ['jobs a second', ...names],
    ['---', ...names.map(() => '--:')],
    ...summary.map((row) => [row.system, ...names.map((name) => cell(row.cases[name]).replace('\n', '<br>'))]),
    ...ratios(summary).map(({ title, ratio }) => [title, ...names.map(ratio)]),
  ]
  const versions = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`)
  return [
    `${startedAt.slice(0, 10)}: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}, ` +
      `Node ${machine.node}, PostgreSQL ${postgres.server_version} (fsync ${postgres.fsync}), Redis ${machine.redis}, ` +
      `forgeq ${machine.forgeq}, ${versions.join(', ')}; ${options.runs} runs of ${options.jobs.toLocaleString('en')} jobs.`,
    '',
    ...lines.map((line) => `| ${line.join(' | ')} |`),
  ].join('\n')
}

function cell(rates) {
  if (!rates) return '–'
  const { median, min, max, runs } = rates
  return runs === 1 ? short(median) : `${short(median)}\n${short(min)}–${short(max)}`
}

function short(rate) {
  if (rate >= 99_950) return `${Math.round(rate / 1000)}k`
  if (rate >= 1000) return `${(rate / 1000).toFixed(1)}k`
  return rate >= 99.5 ? String(Math.round(rate)) : rate.toFixed(1)
}
