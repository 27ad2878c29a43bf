import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

// As in Debian's redis.conf: a snapshot now and then, no append-only file.
const SNAPSHOTS = ['--save', '3600 1 300 100 60 10000', '--appendonly', 'no']
const FSYNC_EACH_WRITE = [...SNAPSHOTS.slice(0, 2), '--appendonly', 'yes', '--appendfsync', 'always']

/** A fresh Redis for each measurement, on a socket in a temporary folder of its own. */
export function createRedisStore() {
  return {
    async open({ fsync }) {
      const folder = await mkdtemp(join(tmpdir(), 'forgeq-bench-redis-'))
      const socket = join(folder, 'redis.sock')
      const durability = fsync ? FSYNC_EACH_WRITE : SNAPSHOTS
      const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, ...durability], {
        stdio: 'ignore',
      })
      await once(server, 'spawn')
      const ended = once(server, 'exit')
      const client = new Redis({ path: socket, maxRetriesPerRequest: 100, retryStrategy: () => 50 })
      client.on('error', () => {})
      await client.ping()
      await client.quit()
      return {
        address: { redis: { socket } },
        settle: async () => {},
        async drop() {
          server.kill('SIGKILL')
          await ended
          await rm(folder, { recursive: true, force: true })
        },
      }
    },
  }
}
