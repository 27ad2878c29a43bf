import { z } from 'zod'
import { ForgeQError } from '../errors.ts'
import { notJson } from '../wire/enqueue-body.ts'
import { problemsOf } from '../wire/problems-of.ts'
import { readText } from './body.ts'
import { bodyType, JSON_TYPE } from './content-type.ts'
import type { HttpContext } from './route.ts'

/** A body about an act is a few short fields. */
const MAX_BYTES = 65_536

const Nothing = z.strictObject({}, 'must be a JSON object')

/**
 * The small body of an act, checked; an empty one is `{}` whatever its content type says.
 *
 * @throws {ForgeQError} `invalid_json`, `invalid_request` with every problem, `payload_too_large`, `unsupported_media_type`
 */
export async function readBody<Body>(context: HttpContext, shape: z.ZodType<Body> & { shape: object }): Promise<Body> {
  const text = await readText(context, MAX_BYTES).catch((error: unknown) => {
    bodyType(context, [JSON_TYPE]) // a body of another type is called that, not bad JSON
    throw error
  })
  const isEmpty = text.trim() === ''
  if (!isEmpty) bodyType(context, [JSON_TYPE])
  const parsed = shape.safeParse(isEmpty ? {} : parseJson(text))
  if (parsed.success) return parsed.data
  const errors = problemsOf(parsed.error, () => Object.keys(shape.shape))
  throw new ForgeQError('invalid_request', errors.map(({ path, message }) => `${path}: ${message}`).join('; '), {
    errors,
  })
}

/** For acts that need to be told nothing: a field that says something is refused, not ignored. */
export async function readNoBody(context: HttpContext): Promise<void> {
  // Node tells a body by these two headers; without them there is nothing to wait for.
  const { headers } = context.req.raw
  const isAnnounced = headers.get('transfer-encoding') !== null || (headers.get('content-length') ?? '0') !== '0'
  if (isAnnounced || !context.env?.incoming) await readBody(context, Nothing)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const { problems } = notJson(text)
    throw new ForgeQError('invalid_json', problems.map(({ message }) => message).join('; '), { errors: problems })
  }
}
