import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions } from '../../src/store/database.ts'

/** A way to a database that can be cut: over TCP, in front of its unix socket. */
export interface Proxy {
  /** The URL of the database, through this. */
  readonly url: string
  /** Ends every connection and takes no more. */
  cut(): Promise<void>
  /** Takes connections and never answers, as a machine that has hung. */
  hang(): void
  /** Takes connections again. */
  mend(): Promise<void>
}

const proxies: Proxy[] = []

/** For `afterEach`. */
export async function closeProxies(): Promise<void> {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.cut()))
}

export async function openProxy({
  host,
  port: databasePort,
  database,
  user,
  password,
}: ConnectionOptions): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let hanging = false
  const server = createServer((client) => {
    keep(client)
    if (hanging) return
    const onward = connect(
      host.startsWith('/') ? { path: join(host, `.s.PGSQL.${databasePort}`) } : { host, port: databasePort },
    )
    keep(onward)
    client.pipe(onward).pipe(client)
    client.once('close', () => onward.destroy())
  })

  function keep(socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  }
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })

  await listen(0)
  const { port } = server.address() as { port: number }
  const proxy: Proxy = {
    url: `postgres://${user}:${encodeURIComponent(password ?? '')}@127.0.0.1:${port}/${database}?sslmode=disable`,
    async cut() {
      if (!server.listening) return
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
    hang() {
      hanging = true
      // Clients are still read, so that one that ends is noticed and its session in the database ends, too.
      for (const socket of sockets) socket.unpipe().resume()
    },
    async mend() {
      hanging = false
      if (!server.listening) await listen(port)
    },
  }
  proxies.push(proxy)
  return proxy
}
