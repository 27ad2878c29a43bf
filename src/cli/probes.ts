import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { App, RunningWorker } from '../app.ts'
import type { Config } from '../config.ts'
import { isForgeQError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { portTaken } from './port.ts'

/** What the probes speak of, as far as it has come. */
export interface Probed {
  app?: App
  worker?: RunningWorker
  stopping?: boolean
}

export interface Probes {
  readonly port: number
  close(): Promise<void>
}

/**
 * The worker's own small HTTP port, there before the database is: `/metrics`, `/healthz` (alive; never by the database,
 * whose outage must not restart every worker) and `/readyz` (the worker runs, the database answers, nobody has asked it to stop).
 * @throws {ForgeQError} `unavailable` where the port is taken, saying by whom
 */
export async function startProbes(probed: Probed, { config, log }: { config: Config; log: Logger }): Promise<Probes> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    answer(path, request.method ?? 'GET', response, probed).catch((error: unknown) => {
      log.error({ err: error }, 'a probe failed')
      if (!response.headersSent) send(response, 500, 'the log says why\n')
    })
  })
  server.headersTimeout = 10_000
  server.requestTimeout = 10_000
  const { metricsHost: host, metricsPort: wanted = 0 } = config
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port: wanted }, resolve)
  }).catch(async (error: unknown) => {
    throw await portTaken(error, { ...config, host, port: wanted }, 'another --metrics-port; 0 takes a free one')
  })
  const { port } = server.address() as AddressInfo
  log.info({ host, port }, 'metrics and health checks are served')
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  path: string,
  method: string,
  response: ServerResponse,
  { app, worker, stopping }: Probed,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return send(response, 405, 'GET only\n', { allow: 'GET, HEAD' })
  if (path === '/healthz') return send(response, 200, 'alive\n')
  if (path === '/metrics') {
    if (!worker) return send(response, 503, 'starting\n')
    return send(response, 200, await worker.metricsText(), {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    })
  }
  if (path !== '/readyz') return send(response, 404, '/metrics, /healthz and /readyz are here\n')
  if (stopping) return send(response, 503, 'stopping\n')
  if (!app || !worker) return send(response, 503, 'starting\n')
  try {
    await app.queue.ready()
    send(response, 200, 'ready\n')
  } catch (error) {
    if (!isForgeQError(error)) throw error
    send(response, 503, `${error.code}\n`)
  }
}

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', ...headers })
  response.end(body)
}
