import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { Pump } from './pump.ts'
import type { Random } from './random.ts'

/** The two ways through a proxy: what clients say, and what they are answered. */
export type Way = 'asking' | 'answering'
export const BOTH_WAYS: readonly Way[] = ['asking', 'answering']

/** How often a message that names a statement is lost, with its connection. */
export interface Losses {
  /** `answer`: the server gets it, and whatever it answers never arrives. `request`: it never reaches the server. */
  lose: 'answer' | 'request'
  chance: number
  /** Only messages in whose bytes one of these occurs; absent: all. */
  naming?: readonly string[]
  random: Random
}

interface Link {
  client: Socket
  server: Socket
  pumps: { [way in Way]: Pump }
}

/** A network between one process and PostgreSQL, over TCP, in front of its unix socket. */
export interface Proxy {
  readonly port: number
  /** How many messages `lose` has lost so far. */
  readonly lost: number
  /** What comes from now on, also on new connections, waits until `heal`, as packets do that are sent again and again. */
  hold(ways: readonly Way[]): void
  /** Everything arrives so much later, each way. */
  delay(ms: number): void
  lose(losses: Losses): void
  /** Ends every connection with a reset. */
  reset(): void
  /** Takes no connections any more, nor gives up those there are. */
  refuse(): void
  /** Says on every connection that one side will say nothing more; the other can still talk. */
  halfClose(way: Way): void
  /** As before. What was held goes on its way, or is gone with its connections. */
  heal(what?: 'deliver' | 'drop'): void
  close(): Promise<void>
}

/** Opens a proxy to the unix socket `path` on a free port. */
export async function openProxy(path: string): Promise<Proxy> {
  const links = new Set<Link>()
  const held = new Set<Way>()
  let delayMs = 0
  let losses: Losses | undefined
  let lost = 0
  let refusing = false

  const drop = (link: Link, how: 'destroy' | 'reset' = 'destroy') => {
    links.delete(link)
    for (const way of BOTH_WAYS) link.pumps[way].stop()
    if (how === 'reset') link.client.resetAndDestroy()
    else link.client.destroy()
    link.server.destroy()
  }

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => {})
    if (refusing) return void client.resetAndDestroy()
    const server = createConnection({ path, allowHalfOpen: true })
    const link: Link = {
      client,
      server,
      pumps: { asking: new Pump(client, server), answering: new Pump(server, client) },
    }
    links.add(link)
    for (const way of BOTH_WAYS) {
      link.pumps[way].delayMs = delayMs
      if (held.has(way)) link.pumps[way].hold()
    }
    let answerLost = false
    link.pumps.asking.pass = (chunk) => {
      if (!losses || losses.random() >= losses.chance || !isNamed(chunk, losses.naming)) return true
      lost++
      answerLost = losses.lose === 'answer'
      if (!answerLost) drop(link, 'reset')
      return answerLost
    }
    link.pumps.answering.pass = () => {
      // The server answers when the statement has been committed.
      if (answerLost) drop(link, 'reset')
      return !answerLost
    }
    for (const socket of [client, server]) {
      socket.on('error', () => drop(link))
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) links.delete(link)
      })
    }
  })
  await listen(listener)
  const { port } = listener.address() as { port: number }

  return {
    port,
    get lost() {
      return lost
    },
    hold(ways) {
      for (const way of ways) {
        held.add(way)
        for (const { pumps } of links) pumps[way].hold()
      }
    },
    delay(ms) {
      delayMs = ms
      for (const { pumps } of links) for (const way of BOTH_WAYS) pumps[way].delayMs = ms
    },
    lose(wanted) {
      losses = wanted
    },
    reset() {
      for (const link of links) drop(link, 'reset')
    },
    refuse() {
      refusing = true
    },
    halfClose(way) {
      for (const { pumps } of links) pumps[way].end()
    },
    heal(what = 'deliver') {
      const wasHeld = held.size > 0
      held.clear()
      delayMs = 0
      losses = undefined
      refusing = false
      for (const link of links) {
        if (wasHeld && what === 'drop') drop(link)
        for (const way of BOTH_WAYS) {
          link.pumps[way].delayMs = 0
          link.pumps[way].release()
        }
      }
    },
    async close() {
      for (const link of links) drop(link)
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

const isNamed = (chunk: Buffer, naming: readonly string[] | undefined): boolean =>
  !naming || naming.some((name) => chunk.includes(name))

const listen = (listener: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(0, '127.0.0.1', resolve)
  })
