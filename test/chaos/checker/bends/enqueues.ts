import type { Bend } from './bend.ts'

/** Jobs that are not what was asked for: gone, doubled, there although refused, or never asked for. */
export const ENQUEUE_BENDS: readonly Bend[] = [
  [
    'I1',
    'an acknowledged job is gone at the end',
    (s, bent) => {
      s.enqueue('a')
      if (!bent) s.completes('a')
    },
  ],
  [
    'I1',
    'an acknowledged job still waits at the end',
    (s, bent) => {
      s.enqueue('a')
      if (bent) s.export('a', { state: 'pending' })
      else s.completes('a')
    },
  ],
  [
    'I1',
    'a job that was answered as there already is gone at the end',
    (s, bent) => {
      s.enqueue('a', { key: 'k', answer: 'unknown' })
      s.enqueue('a', { key: 'k', created: false })
      if (!bent) s.completes('a')
    },
  ],
  [
    'I1',
    'a job becomes final long after everything was healed',
    (s, bent) => {
      s.enqueue('a')
      s.heal()
      s.wait(bent ? 5_100 : 4_900)
      s.completes('a')
    },
  ],
  [
    'I2',
    'two racers with one key each get a job',
    (s, bent) => {
      s.enqueue('a', { key: 'k' })
      s.enqueue(bent ? 'b' : 'a', { key: 'k', label: 'a', created: bent })
      s.completes('a')
      if (bent) s.completes('b')
    },
  ],
  [
    'I2',
    'an enqueue without an answer and its repeat have left a job each',
    (s, bent) => {
      s.enqueue('a', { key: 'k', answer: 'unknown' })
      s.enqueue('b', { key: 'k', label: 'a' })
      s.completes('b')
      if (bent) s.export('a', { idempotency_key: 'k' })
    },
  ],
  [
    'I2',
    'a repeat is told that the job was made just then, a second time',
    (s, bent) => {
      s.enqueue('a', { key: 'k' })
      s.enqueue('a', { key: 'k', created: bent })
      s.completes('a')
    },
  ],
  [
    'I2',
    'a job is stored under another id than the one asked for',
    (s, bent) => {
      s.enqueue('a', { id: bent ? 'b' : 'a' })
      s.completes('a')
    },
  ],
  [
    'I3',
    'a job that was refused by its id is there',
    (s, bent) => {
      s.enqueue('a', { id: 'a', answer: 'refused' })
      if (bent) s.export('a', { state: 'pending' })
    },
  ],
  [
    'I3',
    'a job that was refused by its key has run',
    (s, bent) => {
      s.enqueue('a', { key: 'k', answer: 'refused' })
      if (bent) {
        s.start('a', 1)
        s.end('a', 1)
        s.export('a', { idempotency_key: 'k', attempts: [s.run('a', 1, 'completed')] })
      }
    },
  ],
  [
    'I3',
    'of a bulk that was refused a part is there',
    (s, bent) => {
      const jobs = ['a', 'b'].map((label) => ({ label, key: label, maxAttempts: 3, work: { do: 'return' as const } }))
      s.tell({ kind: 'enqueue_sent', call: 'bulk', via: 'http', jobs })
      s.tell({ kind: 'enqueue_answered', call: 'bulk', answer: 'refused' })
      if (bent) s.export('b', { state: 'pending' })
    },
  ],
  [
    'I4',
    'a job runs that nobody asked for',
    (s, bent) => {
      if (bent) s.start('a', 1)
    },
  ],
  [
    'I4',
    'a job is there that nobody asked for',
    (s, bent) => {
      s.enqueue('a')
      s.completes('a')
      if (bent) s.export('b')
    },
  ],
  [
    'I4',
    'one enqueue without a name has two jobs',
    (s, bent) => {
      s.enqueue('a')
      s.completes('a')
      if (bent) s.export('b', { payload: { label: 'a' } })
    },
  ],
]
