import { ForgeQError } from '../errors.ts'
import { canonicalId, isUuidV7 } from '../job/id.ts'
import { isQueueName, QUEUE_HELP } from '../job/name.ts'
import type { HttpContext } from './route.ts'
import { badRequest } from './target.ts'

/** The job's id in the path. @throws {ForgeQError} `invalid_id` */
export function jobId(context: HttpContext): string {
  const id = context.req.param('id') ?? ''
  if (isUuidV7(id)) return canonicalId(id)
  throw new ForgeQError('invalid_id', 'the id of a job is a UUIDv7', {
    errors: [{ path: 'id', message: 'must be a UUIDv7' }],
  })
}

/** The queue's name in the path. @throws {ForgeQError} `invalid_request` */
export function queueName(context: HttpContext): string {
  const name = context.req.param('name') ?? ''
  if (isQueueName(name)) return name
  throw badRequest('name', QUEUE_HELP)
}
