import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { INPUT } from './folders.js'

const FILES = ['texts.ndjson', 'pictures.ndjson', 'mail.ndjson']

/**
 * The jobs of the input files. Every run is tagged and has keys of its own: enqueued twice within a run (an answer
 * was lost, say) there is one job, while the next run makes new ones.
 */
export async function readInput(run = `run-${randomUUID().slice(0, 8)}`) {
  const jobs = []
  for (const file of FILES) {
    const lines = (await readFile(join(INPUT, file), 'utf8')).split('\n')
    for (const [n, line] of lines.entries()) {
      if (line.trim() === '') continue
      const job = JSON.parse(line)
      jobs.push({ ...job, tags: [...job.tags, run], idempotency_key: `quickstart/${run}/${file}:${n + 1}` })
    }
  }
  return { run, jobs }
}
