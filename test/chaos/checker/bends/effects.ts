import { error, TX } from '../story.ts'
import type { Bend } from './bend.ts'

/** Effects of a completing transaction that are missing, doubled, or of a run that did not complete the job. */
export const EFFECT_BENDS: readonly Bend[] = [
  [
    'I8',
    'a job completed and its effect is missing',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'completed_tx')
      s.export('a', { attempts: [s.run('a', 1, 'completed')] })
      if (!bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'an effect is there twice',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'completed_tx')
      s.export('a', { attempts: [s.run('a', 1, 'completed')] })
      for (let n = 0; n < (bent ? 2 : 1); n++) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'a commit was acknowledged, and neither its effect nor the completion is there',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, bent ? 'completed_tx' : 'rolled_back')
      s.export('a', { state: 'cancelled' })
    },
  ],
  [
    'I8',
    'a commit was acknowledged, its effect is there, and the job was cancelled all the same',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'completed_tx')
      s.export('a', { ...(bent && { state: 'cancelled' }), attempts: [s.run('a', 1, 'completed')] })
      s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'a transaction that rolled back has left its effect',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'rolled_back')
      s.export('a', {
        state: 'dead',
        reason: 'attempts spent',
        attempts: [s.run('a', 1, 'dead', { error: error('no') })],
      })
      if (bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'the effect of one run is there and another one completed the job',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.start('a', 2)
      s.end('a', 1, 'unknown_tx')
      s.end('a', 2, 'completed_tx')
      s.export('a', { attempts: [s.run('a', 2, 'completed')] })
      s.tell({ kind: 'effect_stored', job: 'a', token: 2 })
      if (bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'a job that writes no effect has one',
    (s, bent) => {
      s.enqueue('a')
      s.completes('a')
      if (bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
]
