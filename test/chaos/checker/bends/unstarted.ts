import { LOST, type Story } from '../story.ts'
import type { Bend } from './bend.ts'

/** So many jobs that their worker lost before it had begun them; then they complete elsewhere. */
function loseUnstarted(s: Story, count: number): void {
  const jobs = Array.from({ length: count }, (_, n) => `job-${n}`)
  for (const job of jobs) s.enqueue(job)
  s.wait(1_500)
  const lost = jobs.map((job) => s.run(job, 1, 'lost', { error: LOST }))
  for (const [n, job] of jobs.entries()) {
    s.start(job, 2, { worker: 'worker-2' })
    s.end(job, 2)
    const worker = { id: 'session-2', name: 'worker-2' }
    s.export(job, { lost: 1, attempts: [lost[n]!, s.run(job, 2, 'completed', { worker })] })
  }
}

/** Losses that jobs pay for although nothing of them ever ran. */
export const UNSTARTED_BENDS: readonly Bend[] = [
  [
    'I9',
    'the jobs in the buffer of a lost worker count as lost',
    // Three slots, the lease that the note was written for, and a suspect.
    (s, bent) => loseUnstarted(s, bent ? 6 : 5),
  ],
  [
    'I9',
    'more jobs of a fast worker count as lost than it can have noted',
    (s, bent) => {
      s.enqueue('fast')
      s.start('fast', 1)
      s.end('fast', 1)
      s.export('fast', { attempts: [s.run('fast', 1, 'completed')] })
      // Runs of 10 ms in three slots: thirty in the next 100 ms.
      loseUnstarted(s, bent ? 36 : 35)
    },
  ],
  [
    'I9',
    'a job counts as lost that no worker had, before it was given back three times',
    (s, bent) => {
      s.enqueue('a')
      const token = bent ? 3 : 4
      const nobody = s.run('a', token, 'lost', { attempt: 1, error: LOST })
      delete nobody.worker
      s.start('a', token + 1, { attempt: 2 })
      s.end('a', token + 1)
      s.export('a', { lost: 1, attempts: [nobody, s.run('a', token + 1, 'completed', { attempt: 2 })] })
    },
  ],
]
