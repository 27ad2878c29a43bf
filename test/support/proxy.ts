import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions } from '../../src/store/database.ts'

/** What becomes of a statement whose name was given to `lose`. */
export type Loss =
  /** It never reaches the server. */
  | 'request'
  /** The server does it, the answer is lost. */
  | 'answer'
  /** The connection breaks while it is under way. */
  | 'meanwhile'

export interface Proxy {
  /** The database behind the proxy. */
  readonly connection: ConnectionOptions
  /** How many statements were lost. */
  readonly losses: number
  /** Breaks the connection of each statement in whose text or prepared name `name` occurs, so many times. */
  lose(name: string, loss: Loss, times?: number): void
  /** Breaks every connection and refuses new ones. */
  cut(): void
  /** Swallows everything, both ways, and lets nobody know. */
  swallow(): void
  /** Lets new connections through again; what was swallowed stays so. */
  heal(): void
  close(): Promise<void>
}

interface Link {
  client: Socket
  server: Socket
  swallowed: boolean
}

/** A network between a client and PostgreSQL that can be cut, that can swallow, and that can lose single answers. */
export async function openProxy(target: ConnectionOptions): Promise<Proxy> {
  const links = new Set<Link>()
  let mode: 'open' | 'cut' | 'swallow' = 'open'
  let losing: { name: string; loss: Loss; left: number } | undefined
  let losses = 0

  const drop = (link: Link) => {
    link.client.destroy()
    link.server.destroy()
    links.delete(link)
  }

  const listener = createServer((client) => {
    if (mode === 'cut') return void client.destroy()
    const server = target.host.startsWith('/')
      ? createConnection(join(target.host, `.s.PGSQL.${target.port}`))
      : createConnection(target.port, target.host)
    const link: Link = { client, server, swallowed: mode === 'swallow' }
    links.add(link)
    let answerLost = false
    client.on('data', (chunk) => {
      if (link.swallowed) return
      if (losing && losing.left > 0 && chunk.includes(losing.name)) {
        losing.left--
        losses++
        if (losing.loss === 'request') return drop(link)
        answerLost = losing.loss === 'answer'
        server.write(chunk)
        if (losing.loss === 'meanwhile') drop(link)
        return
      }
      server.write(chunk)
    })
    server.on('data', (chunk) => {
      if (link.swallowed) return
      // The server answers when the statement has been committed.
      if (answerLost) drop(link)
      else client.write(chunk)
    })
    for (const socket of [client, server]) {
      socket.on('error', () => drop(link))
      socket.on('close', () => {
        if (!link.swallowed) drop(link)
      })
    }
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }

  return {
    connection: { ...target, host: '127.0.0.1', port },
    get losses() {
      return losses
    },
    lose(name, loss, times = 1) {
      losing = { name, loss, left: times }
    },
    cut() {
      mode = 'cut'
      for (const link of links) drop(link)
    },
    swallow() {
      mode = 'swallow'
      for (const link of links) link.swallowed = true
    },
    heal() {
      mode = 'open'
    },
    async close() {
      for (const link of links) drop(link)
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
