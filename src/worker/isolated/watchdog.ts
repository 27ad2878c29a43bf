// A thread of a child: ends the process when its worker has gone, also while a handler blocks the main thread.
import { workerData } from 'node:worker_threads'

const LOOK_MS = 500

setInterval(() => {
  if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL')
}, LOOK_MS)
