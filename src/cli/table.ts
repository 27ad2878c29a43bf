import type CliTable from 'cli-table3'
import { safeLine, type Output, type Style } from './output.ts'

export interface Column {
  title: string
  /** What goes without saying: a column of nothing else is left out on a terminal. */
  usual?: string
  /** How a cell gives way on a narrow terminal: an id loses its middle, text its end, a name nothing. */
  cut: 'middle' | 'end' | 'never'
  style?: (cell: string) => Style
}

const LEAST = { middle: 13, end: 10 }
const GAP = 2

/**
 * Prints rows in columns that fit the terminal. In a pipe: tab-separated, whole, without a heading, so that `cut`
 * and `awk` read them. Cells are text of others and are made harmless here.
 */
export async function printTable(out: Output, columns: Column[], rows: string[][], width = 80): Promise<void> {
  const cells = rows.map((row) => row.map(safeLine))
  if (!out.terminal) {
    for (const row of cells) out.print(row.join('\t'))
    return
  }
  const { default: Table } = await import('cli-table3')
  const telling = columns.flatMap(({ usual }, index) =>
    usual !== undefined && cells.every((row) => row[index] === usual) ? [] : [index],
  )
  printFitting(
    out,
    Table,
    telling.map((index) => columns[index]!),
    cells.map((row) => telling.map((index) => row[index]!)),
    width,
  )
}

function printFitting(out: Output, Table: typeof CliTable, columns: Column[], cells: string[][], width: number): void {
  const widths = fit(columns, cells, width)
  const table = new Table({
    chars: Object.fromEntries(BORDERS.map((name) => [name, ''])),
    style: { 'padding-left': 0, 'padding-right': GAP, head: [], border: [], compact: true },
  })
  table.push(columns.map(({ title }) => out.paint('bold', title)))
  for (const row of cells) {
    table.push(
      columns.map(({ cut, style }, index) => {
        const text = shorten(row[index] ?? '', cut, widths[index]!)
        return style ? out.paint(style(row[index] ?? ''), text) : text
      }),
    )
  }
  const lines = table.toString().split('\n')
  for (const line of lines) out.print(line.trimEnd())
}

const BORDERS = [
  'top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right',
  'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle',
] // prettier-ignore

/**
 * Widths that add up to the terminal's: texts give way first, then ids, which a person may want to copy; of each kind
 * the widest first.
 */
function fit(columns: Column[], rows: string[][], width: number): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => widthOf(row[index] ?? ''))),
  )
  let over = widths.reduce((sum, each) => sum + each + GAP, -GAP) - width
  for (const kind of ['end', 'middle'] as const) {
    for (; over > 0; over--) {
      const widest = widestOf(columns, widths, kind)
      if (widest === undefined) break
      widths[widest]! -= 1
    }
  }
  return widths
}

function widestOf(columns: Column[], widths: number[], kind: 'end' | 'middle'): number | undefined {
  let widest: number | undefined
  for (const [index, { cut }] of columns.entries()) {
    if (cut !== kind || widths[index]! <= LEAST[kind]) continue
    if (widest === undefined || widths[index]! > widths[widest]!) widest = index
  }
  return widest
}

function shorten(text: string, cut: Column['cut'], width: number): string {
  if (cut === 'never' || widthOf(text) <= width) return text
  const tail = cut === 'middle' ? Math.floor((width - 1) / 2) : 0
  return `${start(text, width - 1 - tail)}…${tail === 0 ? '' : text.slice(-tail)}`
}

// Characters that fill two columns of a terminal.
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

const cellsOf = (character: string): number => (WIDE.test(character) ? 2 : 1)

function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += cellsOf(character)
  return width
}

/** The longest beginning that fits, whole characters only. */
function start(text: string, width: number): string {
  let taken = ''
  let left = width
  for (const character of text) {
    left -= cellsOf(character)
    if (left < 0) break
    taken += character
  }
  return taken
}
