import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLedger } from '../ledger.js'
import { summarise } from '../statistics.js'

/** A command from its start to its end, again and again, in an empty folder; with `stored` each must have stored its job. */
export async function runCli({ command, stored }, system, { sizes, store, start }) {
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  await store.settle()

  const { commandLines } = await import(new URL(`../systems/${system.file}`, import.meta.url).href)
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-bench-cli-'))
  const times = []
  try {
    for (let n = 0; n < sizes.commands; n += 1) {
      const startedAt = performance.now()
      const { status, stderr } = spawnSync(process.execPath, commandLines(store.address)[command](n), { cwd: folder })
      times.push(performance.now() - startedAt)
      if (status !== 0) return { failure: `exit code ${status}: ${stderr.toString()}` }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const { median, min, max } = summarise(times)
  return { wholeMs: median, minMs: min, maxMs: max, failure: stored ? await mismatch(times.length, start) : null }
}

async function mismatch(jobs, start) {
  const { numbers, failure } = await start('stored', {}).result
  if (failure || !numbers) return failure
  const ledger = createLedger(jobs)
  for (const n of numbers) ledger.see(n)
  return ledger.mismatch()
}
