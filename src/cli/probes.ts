import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { App, RunningWorker } from '../app.ts'
import type { Config } from '../config.ts'
import { isForgeQError } from '../errors.ts'
import type { Logger } from '../log.ts'

interface ProbeContext {
  app: App
  worker: RunningWorker
  config: Config
  log: Logger
  isStopping(): boolean
}

/**
 * The worker's own small HTTP port: `/metrics`, `/healthz` (alive) and `/readyz` (the database answers, and nobody has
 * asked it to stop). Never `/healthz` by the database: an outage must not restart every worker.
 */
export async function startProbes(context: ProbeContext): Promise<{ port: number; close(): Promise<void> }> {
  const { config, log } = context
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    answer(path, request.method ?? 'GET', response, context).catch((error: unknown) => {
      log.error({ err: error }, 'a probe failed')
      if (!response.headersSent) send(response, 500, 'the log says why\n')
    })
  })
  server.headersTimeout = 10_000
  server.requestTimeout = 10_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: config.metricsHost, port: config.metricsPort }, resolve)
  })
  const { port } = server.address() as AddressInfo
  log.info({ host: config.metricsHost, port }, 'metrics and health checks are served')
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
  { app, worker, isStopping }: ProbeContext,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return send(response, 405, 'GET only\n', { allow: 'GET, HEAD' })
  if (path === '/metrics') {
    return send(response, 200, await worker.metricsText(), {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    })
  }
  if (path === '/healthz') return send(response, 200, 'alive\n')
  if (path !== '/readyz') return send(response, 404, '/metrics, /healthz and /readyz are here\n')
  if (isStopping()) return send(response, 503, 'stopping\n')
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
