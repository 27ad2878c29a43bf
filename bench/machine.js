import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { NODE_20 } from './nodes.js'

/** What the figures were measured on: without this they mean nothing. */
export function describeMachine() {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.cpus().length,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    node20: NODE_20 ? execFileSync(NODE_20, ['--version'], { encoding: 'utf8' }).trim() : null,
    redis: redisVersion(),
    packages: Object.fromEntries(
      ['bullmq', 'graphile-worker', 'pg', 'pg-boss'].map((name) => [name, versionOf(`node_modules/${name}`)]),
    ),
    forgeq: versionOf('..'),
  }
}

function versionOf(folder) {
  return JSON.parse(readFileSync(new URL(`${folder}/package.json`, import.meta.url), 'utf8')).version
}

function redisVersion() {
  try {
    return /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown version'
  } catch {
    return null
  }
}
