import { spawnSync } from 'node:child_process'
import os from 'node:os'

const canPin = os.cpus().length > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** What to put before a command so that it runs on the first core alone; nothing where that cannot be had. */
export const FIRST_CORE = canPin ? ['taskset', '-c', '0'] : []

/** And on all others, out of the way of the first. */
export const OTHER_CORES = canPin ? ['taskset', '-c', `1-${os.cpus().length - 1}`] : []
