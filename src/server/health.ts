import { ForgeQError, isForgeQError } from '../errors.ts'
import { answer, answerText } from './answer.ts'
import type { Handler } from './route.ts'

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

/** Alive: the process answers. The database is none of its business, or its outage would restart every server. */
export const healthz: Handler = (_context, { version }) => answer({ status: 'ok', version })

/** Ready: the database answers and has the schema that this release serves. */
export const readyz: Handler = async (_context, { queue, version }) => {
  try {
    return answer({ status: 'ready', version, ...(await queue.ready()) })
  } catch (error) {
    if (isForgeQError(error)) throw error
    throw new ForgeQError('unavailable', 'the database does not answer as it should', { cause: error })
  }
}

export const metrics: Handler = async (_context, server) => answerText(await server.metrics(), PROMETHEUS_TEXT)
