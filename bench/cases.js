/** What is measured, in the order of the table. */
export const CASES = [
  { name: 'enqueue-1', title: 'enqueue,\none by one', kind: 'enqueue', callers: 1, perCall: 1 },
  { name: 'enqueue-32', title: 'enqueue,\n32 callers', kind: 'enqueue', callers: 32, perCall: 1 },
  { name: 'enqueue-1000', title: 'enqueue,\n1,000 a call', kind: 'enqueue', callers: 1, perCall: 1_000 },
  { name: 'drain-10', title: 'drain,\n10 at a time', kind: 'drain', concurrency: 10 },
  { name: 'drain-100', title: 'drain,\n100 at a time', kind: 'drain', concurrency: 100 },
  { name: 'two-workers', title: 'drain,\ntwo workers', kind: 'two-workers', concurrency: 100 },
]
