import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Config } from '../config.ts'
import { ForgeQError } from '../errors.ts'
import { safeLine } from './output.ts'
import { serverOf } from './server-file.ts'

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE'

/** The error of a start, or, where the port was taken, one that says by whom. */
export async function portTaken(error: unknown, config: Config, hint: string): Promise<unknown> {
  if (!isTaken(error)) return error
  const { host, port } = config
  return new ForgeQError('unavailable', `port ${port} of ${host} is taken${holderText(config)}`, { hint, cause: error })
}

/** The first port from `port` on that is free now, and who holds the first one when it is not. */
export async function firstFreePort(config: Config): Promise<{ port: number; taken?: string }> {
  const { host, port } = config
  for (let candidate = port; candidate < port + 100 && candidate <= 65_535; candidate++) {
    if (!(await isFree(host, candidate))) continue
    return candidate === port ? { port } : { port: candidate, taken: `port ${port} is taken${holderText(config)}` }
  }
  return { port: 0, taken: `the ports from ${port} on are taken` }
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    // Another failure, a host that is not ours say, is for the server itself to report.
    probe.once('error', (error) => resolve(!isTaken(error)))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

function holderText(config: Config): string {
  const ours = serverOf(config)
  if (ours && new URL(ours.url).port === String(config.port))
    return ` by the ForgeQ of this folder (process ${ours.pid})`
  const holder = holderOf(config.port)
  return holder ? ` by ${safeLine(holder.name)} (process ${holder.pid})` : ' by another process'
}

/** Who listens on a port, where Linux lets us see it: processes of others stay unknown. */
function holderOf(port: number): { name: string; pid: number } | undefined {
  try {
    const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listenersIn(table, port))
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (socketsOf(pid).some((link) => inodes.includes(link))) {
        return { name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), pid: Number(pid) }
      }
    }
  } catch {
    // No /proc: nothing is known.
  }
  return undefined
}

const LISTENING = '0A'

function listenersIn(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync(table, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${wanted}`) && state === LISTENING)
    .map((fields) => `socket:[${fields[9]}]`)
}

function socketsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}
