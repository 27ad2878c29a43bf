import { connect } from 'node:net'
import { deferred } from '../deferred.js'

const END_OF_HEAD = Buffer.from('\r\n\r\n')
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n')

/**
 * One kept connection that sends a POST after the other. Node's own HTTP client takes as long for a request as the
 * server that is measured, so this knows only what a benchmark needs: a status, and where an answer ends.
 */
export async function openConnection(url, path, contentType) {
  const { hostname, port, host } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${contentType}\r\nContent-Length: `

  let received = Buffer.alloc(0)
  let waiting
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const status = statusOf(received)
    if (status === undefined) return
    received = Buffer.alloc(0)
    waiting.resolve(status)
  })
  socket.on('error', (error) => waiting?.reject(error))
  socket.on('close', () => waiting?.reject(new Error('the server closed a connection')))

  return {
    /** Sends a body; resolves to the status once the whole answer is there. */
    post(body) {
      waiting = deferred()
      socket.write(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`)
      return waiting.promise
    },
    close: () => socket.destroy(),
  }
}

/** The status of an answer that is complete, else undefined. */
function statusOf(answer) {
  const end = answer.indexOf(END_OF_HEAD)
  if (end < 0) return undefined
  const head = answer.toString('latin1', 0, end)
  const length = /\r\ncontent-length: (\d+)/i.exec(head)
  const isComplete = length
    ? answer.length >= end + END_OF_HEAD.length + Number(length[1])
    : answer.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)
  return isComplete ? Number(head.slice(9, 12)) : undefined
}
