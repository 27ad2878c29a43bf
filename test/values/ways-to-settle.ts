import type { RunningJob } from '../../src/worker/handler.ts'

/** How a handler's promise ends, when it does. */
export interface Way {
  name: string
  run(job: RunningJob): unknown
  becomes: { json: unknown } | { error: object }
}

/** Spelled so that nobody takes these objects for a mistake. */
const THEN: string = ['th', 'en'].join('')
type Settle = (value?: unknown) => void
const thenable = (then: (this: unknown, resolve: Settle, reject: Settle) => unknown): unknown => ({ [THEN]: then })
const nested = (depth: number): unknown => (depth === 0 ? 'inside' : thenable((resolve) => resolve(nested(depth - 1))))

export const WAYS: Way[] = [
  {
    name: 'is fulfilled and then rejected',
    run: () =>
      new Promise((resolve, reject) => {
        resolve('first')
        reject(new Error('second'))
      }),
    becomes: { json: 'first' },
  },
  {
    name: 'is rejected and then fulfilled',
    run: () =>
      new Promise((resolve, reject) => {
        reject(new Error('first'))
        resolve('second')
      }),
    becomes: { error: { message: 'first' } },
  },
  {
    name: 'is fulfilled and whose executor then throws',
    run: () =>
      new Promise((resolve) => {
        resolve('first')
        throw new Error('second')
      }),
    becomes: { json: 'first' },
  },
  {
    name: 'is fulfilled twice, much later with something else',
    run: () =>
      new Promise((resolve) => {
        resolve('first')
        setImmediate(resolve, 'second')
      }),
    becomes: { json: 'first' },
  },
  {
    name: 'is itself what it is fulfilled with',
    run() {
      let resolve: Settle = () => {}
      const promise = new Promise((settle) => (resolve = settle))
      resolve(promise)
      return promise
    },
    becomes: { error: { name: 'TypeError', message: /cycle/ } },
  },
  { name: 'is rejected with nothing', run: () => Promise.reject(), becomes: { error: { message: /undefined/ } } },
  { name: 'is rejected with null', run: () => Promise.reject(null), becomes: { error: { message: /null/ } } },
  {
    name: 'is a thenable that answers at once',
    run: () => thenable((resolve) => resolve('now')),
    becomes: { json: 'now' },
  },
  {
    name: 'is a thenable that answers twice',
    run: () =>
      thenable((resolve, reject) => {
        resolve('first')
        reject(new Error('second'))
        resolve('third')
      }),
    becomes: { json: 'first' },
  },
  {
    name: 'is a thenable that throws',
    run: () =>
      thenable(() => {
        throw new Error('thrown by then')
      }),
    becomes: { error: { message: 'thrown by then' } },
  },
  {
    name: 'is a thenable that throws after it has answered',
    run: () =>
      thenable((resolve) => {
        resolve('first')
        throw new Error('too late')
      }),
    becomes: { json: 'first' },
  },
  {
    name: 'is a thenable that answers with a rejected promise',
    run: () => thenable((resolve) => resolve(Promise.reject(new Error('inside')))),
    becomes: { error: { message: 'inside' } },
  },
  { name: 'is a thenable in a thousand others', run: () => nested(1_000), becomes: { json: 'inside' } },
  {
    name: 'is an object whose `then` is no function',
    run: () => ({ [THEN]: 5, a: 1 }),
    becomes: { json: { [THEN]: 5, a: 1 } },
  },
  {
    name: 'comes to a value after progress that cannot be stored as it is',
    run: async (job) => {
      await job.progress(1e308, 'a\0b\ud83e')
      return 'done'
    },
    becomes: { json: 'done' },
  },
  {
    name: 'waits for progress whose message is no text',
    run: (job) => job.progress(0.5, Symbol('s') as unknown as string),
    becomes: { error: { name: 'TypeError', message: 'progress: the message is a text' } },
  },
  {
    name: 'waits for progress of a BigInt',
    run: (job) => job.progress(5n as unknown as number),
    becomes: { error: { name: 'TypeError', message: 'progress: the value is a finite number' } },
  },
  {
    name: 'is fulfilled although its signal, its log and its payload were broken by its handler',
    run(job) {
      Object.assign(job, { id: 'x', token: -1, tags: null, attempt: Number.NaN, maxAttempts: 0 })
      return 'whole'
    },
    becomes: { json: 'whole' },
  },
]
