import { fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROCESS = fileURLToPath(new URL('./measure/process.js', import.meta.url))

/**
 * Starts one role of a system in a process of its own. `result` resolves to what it measured, or to `{ failure }` when
 * it ends without; `tell` sends it an order, `once` waits for the next event of a name and rejects when the process
 * ends before.
 */
export function startRole(system, store, role, options, { command = [] } = {}) {
  const [execPath, ...execArgv] = [...command, system.node ?? process.execPath]
  const child = fork(PROCESS, { serialization: 'advanced', execPath, execArgv })
  const events = new EventEmitter()
  let result = { failure: `the ${role} process ended without a result` }
  child.on('message', (message) => {
    if (message.event) events.emit(message.event, message.value)
    else result = message.result
  })
  const ended = new Promise((resolve) => child.on('exit', () => resolve(result)))
  child.send({ file: system.file, tuned: system.tuned, store: store.address, role, options })

  return {
    pid: child.pid,
    result: ended,
    on: (event, hear) => events.on(event, hear),
    once: (event) =>
      Promise.race([
        new Promise((resolve) => events.once(event, resolve)),
        ended.then(({ failure }) => {
          throw new Error(failure ?? `the ${role} process ended before "${event}"`)
        }),
      ]),
    tell: (order, value) => child.send({ order, value }, () => {}),
    kill: () => child.kill('SIGKILL'),
  }
}
