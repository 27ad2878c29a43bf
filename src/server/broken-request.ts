import type { Socket } from 'node:net'
import { STATUS_CODES } from 'node:http'
import { PROBLEM_MEDIA_TYPE, problemType, type ProblemView } from '../wire/problem.ts'

/** What Node's parser refuses before there is a request, by its codes; everything else is a 400. */
const REFUSALS: Record<string, { status: number; code: string; detail: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'timeout', detail: 'the request did not come whole in time' },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'invalid_request',
    detail: 'the headers are longer than the 16 KiB that are taken',
  },
}
const MALFORMED = { status: 400, code: 'invalid_request', detail: 'this is not HTTP/1.1' }

/** Answers a connection on which no request could be read, and ends it. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { status, code, detail } = REFUSALS[error.code ?? ''] ?? MALFORMED
  const title = STATUS_CODES[status] ?? ''
  const body = JSON.stringify({ type: problemType(code), title, status, detail, code } satisfies ProblemView)
  socket.end(
    [
      `HTTP/1.1 ${status} ${title}`,
      'Connection: close',
      `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  )
}
