import { safeLine, type Output, type Style } from './output.ts'

export interface Column {
  title: string
  /** How a cell gives way on a narrow terminal: an id loses its middle, text its end, a name nothing. */
  cut: 'middle' | 'end' | 'never'
  style?: (cell: string) => Style
}

const LEAST: Record<Column['cut'], number> = { middle: 13, end: 12, never: 0 }
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

/** Widths that add up to the terminal's, taken from the columns that may be cut, the widest first. */
function fit(columns: Column[], rows: string[][], width: number): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  )
  let over = widths.reduce((sum, each) => sum + each + GAP, -GAP) - width
  while (over > 0) {
    const widest = columns.reduce((best, { cut }, index) => {
      if (cut === 'never' || widths[index]! <= LEAST[cut]) return best
      return best < 0 || widths[index]! > widths[best]! ? index : best
    }, -1)
    if (widest < 0) break
    widths[widest]! -= 1
    over -= 1
  }
  return widths
}

function shorten(text: string, cut: Column['cut'], width: number): string {
  if (text.length <= width || cut === 'never') return text
  if (cut === 'end') return `${text.slice(0, width - 1)}…`
  const tail = Math.floor((width - 1) / 2)
  return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`
}
