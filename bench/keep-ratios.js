import { readFileSync, writeFileSync } from 'node:fs'
import { RATIOS, ratiosOf } from './ratios.js'

const [file] = process.argv.slice(2)
if (file) {
  const kept = JSON.parse(readFileSync(RATIOS, 'utf8'))
  const measured = ratiosOf(JSON.parse(readFileSync(file, 'utf8')).measurements)
  const rounded = Object.entries(measured).map(([name, ratio]) => [name, Number(ratio.toPrecision(3))])
  writeFileSync(RATIOS, `${JSON.stringify({ ...kept, ...Object.fromEntries(rounded) }, null, 2)}\n`)
} else {
  console.error('node bench/keep-ratios.js bench/results/<run>.json: keeps the ratios to the floor of a full run')
  process.exitCode = 2
}
