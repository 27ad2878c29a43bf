import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Flood {
  url: string
  connections: number
  /** Of each body. */
  bodyBytes: number
  bytesPerSecond: number
  seconds: number
  /** Sent in chunks, so that the server is not told its length. */
  chunked?: boolean
}

export interface Flooded {
  /** Answers by their status; `cut` counts connections that ended without one. */
  answers: Record<string, number>
  sentBytes: number
  /** Of the answers that refused: how many said when to come back. */
  retryAfter: number
}

const PIECE = 32_768

interface Sender {
  socket: Socket
  /** What is left of the body under way. */
  left: number
  /** Answered, and not to send before this. */
  restUntil: number
  text: string
  open: boolean
  blocked: boolean
}

/**
 * Many connections that each send one long job after the other, a piece in turn, all together at a steady rate: every
 * body is under way at the same time. Who is refused finishes its body, waits and tries again, as a client does.
 */
export async function flood({
  url,
  connections,
  bodyBytes,
  bytesPerSecond,
  seconds,
  chunked = false,
}: Flood): Promise<Flooded> {
  const { hostname, port } = new URL(url)
  const answers: Record<string, number> = {}
  const count = (what: string) => (answers[what] = (answers[what] ?? 0) + 1)
  const result: Flooded = { answers, sentBytes: 0, retryAfter: 0 }
  const start = Buffer.from('{"type":"flood","payload":"')
  const end = Buffer.from('"}')
  const filling = Buffer.alloc(PIECE, 'x')
  const piece = (bytes: Buffer) =>
    chunked ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]) : bytes
  const head = Buffer.from(
    `POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${
      chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bodyBytes}`
    }\r\n\r\n`,
  )

  let over = false
  const open = (): Sender => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const sender: Sender = { socket, left: 0, restUntil: 0, text: '', open: true, blocked: false }
    socket.on('drain', () => (sender.blocked = false))
    socket.on('error', () => {})
    socket.on('close', () => {
      sender.open = false
      if (!over) count('cut')
    })
    socket.on('data', (data: Buffer) => {
      sender.text += data.toString('latin1')
      for (let found = ANSWER.exec(sender.text); found; found = ANSWER.exec(sender.text)) {
        const length = Number(/content-length: (\d+)/i.exec(found[0])?.[1] ?? 0)
        if (sender.text.length < found.index + found[0].length + length) return
        sender.text = sender.text.slice(found.index + found[0].length + length)
        count(found[1]!)
        if (/retry-after: \d/i.test(found[0])) result.retryAfter++
        if (found[1] !== '201') sender.restUntil = performance.now() + 1_000
      }
    })
    return sender
  }

  const senders = Array.from({ length: connections }, open)
  const startedAt = performance.now()
  for (let turn = 0; performance.now() - startedAt < seconds * 1_000;) {
    const due = ((performance.now() - startedAt) / 1_000) * bytesPerSecond
    let idle = 0
    while (result.sentBytes < due && idle < connections) {
      const n = turn++ % connections
      if (!senders[n]!.open) senders[n] = open()
      const sender = senders[n]!
      if (sender.blocked || (sender.left === 0 && performance.now() < sender.restUntil)) {
        idle++
        continue
      }
      idle = 0
      let bytes: Buffer
      if (sender.left === 0) {
        sender.left = bodyBytes - start.length
        bytes = Buffer.concat([head, piece(start)])
      } else if (sender.left <= PIECE + end.length) {
        bytes = Buffer.concat([
          piece(Buffer.concat([filling.subarray(0, sender.left - end.length), end])),
          ...(chunked ? [Buffer.from('0\r\n\r\n')] : []),
        ])
        sender.left = 0
      } else {
        bytes = piece(filling)
        sender.left -= PIECE
      }
      result.sentBytes += bytes.length
      sender.blocked = !sender.socket.write(bytes)
    }
    await sleep(5)
  }
  over = true
  for (const { socket } of senders) socket.destroy()
  return result
}

const ANSWER = /HTTP\/1\.1 (\d{3}) [^\r]*\r\n(?:[^\r]+\r\n)*\r\n/
