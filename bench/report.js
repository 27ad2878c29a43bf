import Table from 'cli-table3'
import { CASES } from './cases.js'
import { summarise } from './statistics.js'
import { SYSTEMS } from './systems/index.js'

const PLAIN = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'right']
    .concat(['left-mid', 'mid', 'mid-mid', 'right-mid', 'middle'])
    .map((part) => [part, '']),
)

/** Median, least and greatest of every figure: `summary[system][case][figure]`; failed measurements do not count. */
export function summariseAll(measurements) {
  const summary = {}
  for (const { name: system } of SYSTEMS) {
    for (const { name, figures } of CASES) {
      const good = measurements.filter((one) => one.system === system && one.case === name && !one.failure)
      for (const figure of figures) {
        const values = good.map((one) => one[figure.name]).filter((value) => typeof value === 'number')
        if (values.length > 0) ((summary[system] ??= {})[name] ??= {})[figure.name] = summarise(values)
      }
    }
  }
  return summary
}

/** A table a group for a terminal: medians with least and greatest below, then ForgeQ beside the others. */
export function renderTables(summary) {
  return tablesOf(summary).map(({ title, head, rows }) => {
    const table = new Table({
      chars: PLAIN,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
      head: [title, ...head.map((lines) => lines.join('\n'))],
      colAligns: ['left', ...head.map(() => 'right')],
    })
    for (const [name, ...cells] of rows) table.push([name, ...cells.map((lines) => lines.join('\n'))])
    return table.toString().replaceAll(/ +$/gm, '')
  })
}

/** The same as Markdown tables for the README, with the machine they hold for. */
export function renderMarkdown({ measurements, machine, postgres, startedAt, options }) {
  const versions = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`)
  const tables = tablesOf(summariseAll(measurements)).map(({ title, head, rows }) =>
    [
      [title, ...head.map((lines) => lines.join('<br>'))],
      ['---', ...head.map(() => '--:')],
      ...rows.map(([name, ...cells]) => [name, ...cells.map((lines) => lines.join('<br>'))]),
    ].map((line) => `| ${line.join(' | ')} |`),
  )
  return [
    `${startedAt.slice(0, 10)}: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}, ` +
      `Node ${machine.node}, PostgreSQL ${postgres.server_version} (fsync ${postgres.fsync}), Redis ${machine.redis}, ` +
      `forgeq ${machine.forgeq}, ${versions.join(', ')}; ${options.runs} runs of ${options.jobs.toLocaleString('en')} jobs.`,
    ...tables.flatMap((lines) => ['', ...lines]),
  ].join('\n')
}

function tablesOf(summary) {
  const measured = CASES.filter(({ name }) => Object.values(summary).some((cases) => cases[name]))
  return [...new Set(measured.map(({ group }) => group))].map((group) => {
    const rows = measured.filter((benchCase) => benchCase.group === group && benchCase.isRow)
    if (rows.length > 0) return tableOfRows(summary, group, rows)
    const columns = measured
      .filter((benchCase) => benchCase.group === group)
      .flatMap((benchCase) => benchCase.figures.map((figure) => ({ benchCase, figure })))
    const systems = SYSTEMS.map(({ name }) => name).filter((system) =>
      columns.some(({ benchCase }) => summary[system]?.[benchCase.name]),
    )
    return {
      title: group,
      head: columns.map(({ benchCase, figure }) => [benchCase.name, figure.unit]),
      rows: [
        ...systems.map((system) => [system, ...columns.map((column) => cellOf(summary[system], column))]),
        ...comparisons(summary, columns),
      ],
    }
  })
}

/** ForgeQ's cases one below the other, each with what it costs beside the one that it is set beside. */
function tableOfRows(summary, title, cases) {
  const { figures } = cases[0]
  return {
    title,
    head: figures.map(({ unit }) => [unit]),
    rows: cases.map(({ name, besides }) => [
      name,
      ...figures.map((figure) => {
        const found = summary.forgeq?.[name]?.[figure.name]
        if (!found) return ['–']
        const base = besides === name ? undefined : summary.forgeq[besides]?.[figure.name]
        const cost = base && found.median - base.median
        return [short(found.median), ...(base ? [`${cost < 0 ? '−' : '+'}${Math.abs(cost).toFixed(1)}`] : [])]
      }),
    ]),
  }
}

function cellOf(cases, { benchCase, figure }) {
  const found = cases[benchCase.name]?.[figure.name]
  if (!found) return ['–']
  const { median, min, max, runs } = found
  const base = cases[benchCase.besides]?.[figure.name]
  return [
    short(median),
    ...(runs > 1 ? [`${short(min)}–${short(max)}`] : []),
    ...(base ? [`${(median / base.median).toFixed(2)} × ${benchCase.besides}`] : []),
  ]
}

function comparisons(summary, columns) {
  const compared = [
    { title: 'forgeq ÷ floor', others: ({ floor }) => [floor] },
    {
      title: 'forgeq ÷ best on PostgreSQL',
      others: () => ['graphile-worker', 'graphile-worker-default', 'pg-boss', 'bullmq-postgres'],
    },
    { title: 'forgeq ÷ bullmq', others: () => ['bullmq'] },
    { title: 'forgeq ÷ bullmq-fsync', others: () => ['bullmq-fsync'] },
  ]
  return compared
    .map(({ title, others }) => [
      title,
      ...columns.map(({ benchCase, figure }) => {
        const ratio = ratioTo(summary, others(benchCase), benchCase, figure)
        return [ratio ? `${ratio.toFixed(2)} ×` : '–']
      }),
    ])
    .filter(([, ...cells]) => cells.some(([text]) => text !== '–'))
}

/** ForgeQ's median over the best of the others'; undefined when one of them was not measured. */
export function ratioTo(summary, others, { name }, figure) {
  const ours = summary.forgeq?.[name]?.[figure.name]?.median
  const theirs = others.map((system) => summary[system]?.[name]?.[figure.name]?.median).filter(Boolean)
  if (ours === undefined || theirs.length === 0) return undefined
  return ours / (figure.better === 'more' ? Math.max(...theirs) : Math.min(...theirs))
}

function short(value) {
  if (value >= 99_950) return `${Math.round(value / 1000)}k`
  if (value >= 1000) return `${(value / 1000).toFixed(1)}k`
  if (value >= 99.5) return String(Math.round(value))
  if (Number.isInteger(value)) return String(value)
  return value.toFixed(value < 1 ? 2 : 1)
}
