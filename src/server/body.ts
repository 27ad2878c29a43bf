import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { ForgeQError } from '../errors.ts'
import type { BodyShare } from './intake.ts'
import type { HttpContext } from './route.ts'

/**
 * The whole body as text, without a byte order mark. `share`: told of its length, where bodies may be long.
 *
 * @throws {ForgeQError} `payload_too_large` or `overloaded` while it is read, `invalid_json` when it is not UTF-8
 */
export async function readText(context: HttpContext, maxBytes: number, share?: BodyShare): Promise<string> {
  const announced = announcedLength(context, maxBytes)
  share?.hold(announced)
  const incoming = context.env?.incoming
  return textOf(incoming ? await readIncoming(incoming, maxBytes, share) : await readChunks(context, maxBytes))
}

interface Line {
  number: number
  text: string
}

/**
 * The lines of the body as they come, with their numbers, those of a chunk together; blank ones are left out. No more
 * than a chunk and one line is held in memory here, while whoever reads them may keep what they say: `share` is told
 * of the whole.
 *
 * @throws {ForgeQError} `payload_too_large` for a line or a body beyond its limit, `overloaded`, `invalid_json` when it is not UTF-8
 */
export async function* readLines(
  context: HttpContext,
  { maxLineBytes, maxBytes, share }: { maxLineBytes: number; maxBytes: number; share: BodyShare },
): AsyncGenerator<Iterable<Line>> {
  share.hold(announcedLength(context, maxBytes))
  let number = 1
  let total = 0
  let rest: Uint8Array[] = []
  let restBytes = 0

  function* linesOf(chunk: Uint8Array): Generator<Line> {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const last = chunk.subarray(start, end)
      const line = lineOf(rest.length === 0 ? last : Buffer.concat([...rest, last]), number, maxLineBytes)
      if (line) yield line
      if (rest.length > 0) rest = []
      restBytes = 0
      start = end + 1
      number++
    }
    rest.push(chunk.subarray(start))
    restBytes += chunk.length - start
    if (restBytes > maxLineBytes) throw lineTooLarge(number, maxLineBytes)
  }

  for await (const chunk of chunksOf(context)) {
    total += chunk.length
    if (total > maxBytes) throw tooLarge('the body', maxBytes)
    share.hold(total)
    yield linesOf(chunk)
  }
  const line = lineOf(Buffer.concat(rest), number, maxLineBytes)
  if (line) yield [line]
}

/**
 * Before a refusal: a sender that asked for its connection to be closed, and is still sending, would lose the answer
 * with it. It is closed when the body has come to its end, or Node's time for a request has.
 */
export function letBodyEnd({ env }: HttpContext): void {
  const { incoming, outgoing } = env ?? {}
  if (!incoming || !outgoing || outgoing.shouldKeepAlive || outgoing.headersSent || incoming.complete) return
  outgoing.shouldKeepAlive = true
  incoming.once('end', () => incoming.socket.destroySoon())
}

const LINE_FEED = 0x0a
const BLANK = /^[ \t\r]*$/

function lineOf(bytes: Uint8Array, number: number, maxLineBytes: number): Line | undefined {
  if (bytes.length > maxLineBytes) throw lineTooLarge(number, maxLineBytes)
  if (!isUtf8(bytes)) throw notUtf8(`line ${number}`)
  const line = asBuffer(bytes).toString('utf8')
  const text = number === 1 ? withoutMark(line) : line
  return BLANK.test(text) ? undefined : { number, text }
}

async function* chunksOf({ env, req }: HttpContext): AsyncGenerator<Uint8Array> {
  const incoming = env?.incoming
  // Ended early, the loop must not destroy the stream: the refusal still has to reach the sender.
  const chunks = incoming ? incoming.iterator({ destroyOnReturn: false }) : (req.raw.body ?? [])
  try {
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) yield chunk
  } catch {
    throw endedEarly()
  } finally {
    incoming?.resume()
  }
}

function readIncoming(incoming: IncomingMessage, maxBytes: number, share?: BodyShare): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const settle = (): void => {
      incoming.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      try {
        if (bytes > maxBytes) throw tooLarge('the body', maxBytes)
        share?.hold(bytes)
        chunks.push(chunk)
      } catch (error) {
        settle()
        incoming.resume()
        reject(error)
      }
    }
    const onEnd = (): void => {
      settle()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    }
    const onGone = (): void => {
      settle()
      reject(endedEarly())
    }
    incoming.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

async function readChunks(context: HttpContext, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunksOf(context)) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge('the body', maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What the body says of its length; 0 where it says nothing. @throws {ForgeQError} `payload_too_large` */
function announcedLength(context: HttpContext, maxBytes: number): number {
  const announced = Number(context.req.raw.headers.get('content-length') ?? 0)
  if (announced > maxBytes) throw tooLarge('the body', maxBytes)
  return announced
}

function textOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw notUtf8('the body')
  return withoutMark(asBuffer(bytes).toString('utf8'))
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const withoutMark = (text: string): string => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)

const tooLarge = (what: string, maxBytes: number) =>
  new ForgeQError('payload_too_large', `${what} is longer than the ${maxBytes} bytes that are taken`, {
    hint: 'send less, or many jobs in several calls',
  })

const lineTooLarge = (number: number, maxBytes: number) =>
  new ForgeQError('payload_too_large', `line ${number} is longer than the ${maxBytes} bytes that one job may take`, {
    errors: [{ path: `line ${number}`, message: `is longer than ${maxBytes} bytes` }],
  })

/** Node cut the sender off, or it went away: nobody will read this answer. */
const endedEarly = () => new ForgeQError('invalid_request', 'the body ended too early')

const notUtf8 = (what: string) => new ForgeQError('invalid_json', `${what} is not UTF-8`)
