import { randomUUID } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { ForgeQError, isForgeQError } from '../errors.ts'
import { createAccessCheck } from './access.ts'
import { letBodyEnd } from './body.ts'
import { problemResponse, unexpectedResponse } from './problem.ts'
import type { HttpContext, Route, ServerContext } from './route.ts'
import { methodsOf, ROUTES } from './routes.ts'
import { decode, knownQuery, pathOf, rawTarget } from './target.ts'

export type App = Hono<{ Bindings: Partial<HttpBindings> }>

const JOB_PATH = /^\/jobs\/([0-9a-f-]{36})(?:\/|$)/i

/** The routes on Hono, with what holds for all of them: who may ask, how a refusal looks. */
export function createHttpApp(server: ServerContext): App {
  const app: App = new Hono({
    getPath: (request, options) => pathOf(rawTarget(request, options?.env?.incoming?.url)),
  })
  const checkAccess = createAccessCheck(server.config.host)

  // Checks are called, not stacked as middleware: a path with one handler is answered without Hono's chain.
  const mount = ({ method, path, handle, query, always }: Route) =>
    app.on(method, path, (context: HttpContext) => {
      checkAccess(context)
      if (!always) server.intake.begin(context)
      decode(context.req.path)
      if (query !== 'own') knownQuery(context, [])
      return handle(context, server)
    })
  for (const route of ROUTES) mount(route)

  app.notFound((context) => {
    letBodyEnd(context)
    checkAccess(context)
    const path = decode(context.req.path)
    const methods = methodsOf(context.req.path)
    if (methods.length === 0) {
      return problemResponse(new ForgeQError('not_found', `nothing answers at ${JSON.stringify(path.slice(0, 200))}`))
    }
    const allow = methods.join(', ')
    return problemResponse(new ForgeQError('method_not_allowed', `this address answers to ${allow}`), { allow })
  })

  app.onError((error, context) => {
    letBodyEnd(context)
    if (isForgeQError(error) && error.code !== 'internal') return problemResponse(error)
    const requestId = randomUUID()
    const { method, path } = context.req
    const jobId = JOB_PATH.exec(path)?.[1]
    server.log.error(
      { err: error, request_id: requestId, ...(jobId && { job_id: jobId }), method, path },
      'unexpected error',
    )
    return unexpectedResponse(requestId)
  })
  return app
}
