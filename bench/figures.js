import { readFileSync } from 'node:fs'
import { renderMarkdown } from './report.js'

const [file] = process.argv.slice(2)
if (file) {
  console.log(renderMarkdown(JSON.parse(readFileSync(file, 'utf8'))))
} else {
  console.error('node bench/figures.js bench/results/<run>.json: prints the table of a run for the README')
  process.exitCode = 2
}
