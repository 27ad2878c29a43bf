import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { ForgeQError } from '../errors.ts'
import type { HttpContext } from './route.ts'

/**
 * The whole body as text, without a byte order mark.
 *
 * @throws {ForgeQError} `payload_too_large` while it is read, `invalid_json` when it is not UTF-8
 */
export async function readText(context: HttpContext, maxBytes: number): Promise<string> {
  refuseLongAnnouncement(context, maxBytes)
  const incoming = context.env?.incoming
  return textOf(incoming ? await readIncoming(incoming, maxBytes) : await readStream(context.req.raw, maxBytes))
}

/**
 * The lines of the body as they come, with their numbers; blank ones are left out. No more than one line is held in
 * memory.
 *
 * @throws {ForgeQError} `payload_too_large` for a line or a body beyond its limit, `invalid_json` when it is not UTF-8
 */
export async function* readLines(
  context: HttpContext,
  { maxLineBytes, maxBytes }: { maxLineBytes: number; maxBytes: number },
): AsyncGenerator<{ number: number; text: string }> {
  refuseLongAnnouncement(context, maxBytes)
  let number = 1
  let total = 0
  let rest: Uint8Array[] = []
  let restBytes = 0
  for await (const chunk of chunksOf(context)) {
    total += chunk.length
    if (total > maxBytes) throw tooLarge('the body', maxBytes)
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const line = lineOf([...rest, chunk.subarray(start, end)], number, maxLineBytes)
      if (line) yield line
      ;[rest, restBytes, start] = [[], 0, end + 1]
      number++
    }
    rest.push(chunk.subarray(start))
    restBytes += chunk.length - start
    if (restBytes > maxLineBytes) throw lineTooLarge(number, maxLineBytes)
  }
  const line = lineOf(rest, number, maxLineBytes)
  if (line) yield line
}

const LINE_FEED = 0x0a

function lineOf(
  parts: Uint8Array[],
  number: number,
  maxLineBytes: number,
): { number: number; text: string } | undefined {
  const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  if (bytes.length > maxLineBytes) throw lineTooLarge(number, maxLineBytes)
  if (!isUtf8(bytes)) throw notUtf8(`line ${number}`)
  const text = withoutMark(asBuffer(bytes).toString('utf8')).trim()
  return text === '' ? undefined : { number, text }
}

/** Discards what is left of a body that nobody reads any more, so that its sender gets to read the answer. */
function discard(incoming: IncomingMessage): void {
  if (!incoming.readableEnded) incoming.resume()
}

async function* chunksOf(context: HttpContext): AsyncGenerator<Uint8Array> {
  const incoming = context.env?.incoming
  if (!incoming) {
    const { body } = context.req.raw
    if (body) yield* body
    return
  }
  try {
    // Ended early it must not destroy the stream: the refusal still has to reach the sender.
    yield* incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
  } finally {
    discard(incoming)
  }
}

function readIncoming(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const settle = (): void => {
      incoming.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes <= maxBytes) return
      settle()
      discard(incoming)
      reject(tooLarge('the body', maxBytes))
    }
    const onEnd = (): void => {
      settle()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    }
    const onGone = (): void => {
      settle()
      // Node cut the sender off, or it went away: nobody will read the answer.
      reject(new ForgeQError('invalid_request', 'the body ended too early'))
    }
    incoming.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

async function readStream(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge('the body', maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function refuseLongAnnouncement(context: HttpContext, maxBytes: number): void {
  const announced = context.req.raw.headers.get('content-length')
  if (announced !== null && Number(announced) > maxBytes) throw tooLarge('the body', maxBytes)
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

const notUtf8 = (what: string) => new ForgeQError('invalid_json', `${what} is not UTF-8`)
