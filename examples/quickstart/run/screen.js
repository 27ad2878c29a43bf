import { stripVTControlCharacters, styleText } from 'node:util'

const out = process.stdout
const width = () => out.columns || 80

/** Seconds since this program started, as the first column of every line. */
const clock = () => `${process.uptime().toFixed(1).padStart(5)} s`

/** Text of jobs never steers the terminal. */
export const plain = (text) =>
  stripVTControlCharacters(String(text)).replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')

const cut = (text, room) => (out.isTTY && text.length > room ? `${text.slice(0, Math.max(1, room - 1))}…` : text)

/** One line of what has just happened; on a terminal cut to its width. */
export function say(text, style) {
  clearLive()
  const line = cut(text, width() - 9)
  out.write(`${styleText('dim', clock())}  ${style ? styleText(style, line) : line}\n`)
}

let live = false
let closed = false

/** The line that is redrawn in place. Elsewhere than on a terminal it is left out: `say` tells enough. */
export function redraw(text) {
  if (!out.isTTY || closed) return
  // Back to the first column, so that what others print next starts there.
  out.write(`\x1b[2K${styleText('dim', clock())}  ${cut(text, width() - 9)}\r`)
  live = true
}

function clearLive() {
  if (live) out.write('\x1b[2K')
  live = false
}

/** Takes the live line away for good. */
export function endLive() {
  clearLive()
  closed = true
}

export const block = (lines) => {
  clearLive()
  out.write(`\n${lines.join('\n')}\n`)
}

/** Rows of words and numbers in columns; numbers stand to the right. */
export function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => String(row[column]).length)))
  const line = (row) =>
    row.map((cell, n) => (n === 0 ? String(cell).padEnd(widths[n]) : String(cell).padStart(widths[n]))).join('   ')
  return [styleText('bold', `  ${line(head)}`), ...rows.map((row) => `  ${line(row)}`)]
}

export const good = (text) => `${styleText('green', '  ✓')} ${text}`
export const bad = (text) => styleText('red', `  ✗ ${text}`)
