import { ForgeQError } from '../errors.ts'
import type { HttpContext } from './route.ts'

export interface IntakeLimits {
  /** Requests whose answer is not out yet, those that wait for a result included. */
  requests: number
  /** Bytes of longer bodies together, from the first to the end of their answers. */
  bodyBytes: number
}

/** Room for one bulk call of the greatest length beside others. */
export const INTAKE: IntakeLimits = { requests: 5_000, bodyBytes: 96 * 1_048_576 }

/** Bodies up to this length are bounded by the number of requests: a flood of long ones does not keep them out. */
const SHORT_BYTES = 16_384

/** What a server has taken on and not answered yet. */
export interface Intake {
  /** Takes a request on. @throws {ForgeQError} `overloaded` */
  begin(context: HttpContext): void
  /** For the body of a request: to be told how long it is as far as is known. */
  bodyOf(context: HttpContext): BodyShare
}

export interface BodyShare {
  /**
   * Called before so many bytes of the body, counted from its start, are held in memory.
   * @throws {ForgeQError} `overloaded`; what the body held is free again then
   */
  hold(bytes: number): void
}

/**
 * Bounds what a server takes on at once: beyond it requests are refused, which costs their senders a moment, while
 * memory without a bound costs everybody the process. A body that says its length is refused before it is read, so that
 * those under way come to their end.
 */
export function createIntake(limits: IntakeLimits): Intake {
  let requests = 0
  let bodyBytes = 0

  return {
    begin({ env }) {
      const outgoing = env?.outgoing
      if (!outgoing) return // not over a socket: its caller knows how many it asks
      if (requests >= limits.requests) throw overloaded(`${limits.requests} requests are under way`)
      requests++
      outgoing.once('close', () => requests--)
    },

    bodyOf({ env }) {
      const outgoing = env?.outgoing
      if (!outgoing) return { hold() {} }
      let held = 0
      const release = () => {
        bodyBytes -= held
        held = 0
      }
      const hold = (bytes: number): void => {
        if (bytes <= held || bytes <= SHORT_BYTES) return
        // One alone is always let in, however long a body may be here.
        if (bodyBytes > held && bodyBytes - held + bytes > limits.bodyBytes) {
          release()
          throw overloaded(`bodies of ${bodyBytes} bytes are under way`)
        }
        if (held === 0) outgoing.once('close', release)
        bodyBytes += bytes - held
        held = bytes
      }
      return { hold }
    },
  }
}

const overloaded = (why: string): ForgeQError =>
  new ForgeQError('overloaded', `the server has as much to do as it can take on: ${why}`, {
    hint: 'nothing was done; come back after Retry-After',
  })
