import type { Bend } from './bend.ts'

/** Runs that go on past their lease. */
export const OVERDUE_BENDS: readonly Bend[] = [
  [
    'I13',
    'a job is running long after its lease has ended',
    (s, bent) => {
      s.enqueue('a')
      s.wait(3_000)
      s.tell({ kind: 'overdue', jobs: [{ job: 'a', token: 1, ms: bent ? 750 : 650 }] })
      s.completes('a', 2)
    },
  ],
  [
    'I13',
    'a job is running for longer than the database was away',
    (s, bent) => {
      s.enqueue('a')
      s.wait(1_000)
      const away = s.now
      s.wait(2_000, { answers: false })
      s.wait(bent ? 1_500 : 1_000)
      s.tell({ kind: 'overdue', jobs: [{ job: 'a', token: 1, ms: s.now - away }] })
      s.completes('a', 2)
    },
  ],
  [
    'I13',
    'a job is running while a fault goes on that does not hinder the product',
    (s, bent) => {
      s.enqueue('a')
      s.wait(1_000)
      const from = s.now
      s.tell({
        kind: 'fault_started',
        n: 1,
        fault: bent ? 'rows locked' : 'table locked',
        ...(!bent && { hinders: true }),
      })
      s.wait(2_000)
      s.tell({ kind: 'fault_ended', n: 1 })
      s.wait(500)
      s.tell({ kind: 'overdue', jobs: [{ job: 'a', token: 1, ms: s.now - from }] })
      s.completes('a', 2)
    },
  ],
]
