import type { Socket } from 'node:net'
import { now } from './recorder.ts'

const MOST_WAITING = 64

/** Carries what one socket says to another, in order; it can be held and slowed down. */
export class Pump {
  /** Whether a chunk may go on. */
  pass: (chunk: Buffer) => boolean = () => true
  delayMs = 0
  readonly #from: Socket
  readonly #to: Socket
  #waiting: { chunk: Buffer | 'end'; due: number }[] = []
  #held = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
    from.on('data', (chunk: Buffer) => {
      if (!this.#stopped && this.pass(chunk)) this.#take(chunk)
    })
    from.on('end', () => this.#take('end'))
    to.on('drain', () => this.#listenOn())
  }

  /** Nothing arrives, and nobody is told. */
  hold(): void {
    this.#held = true
    this.#from.pause()
  }

  /** What was held arrives, and everything after it. */
  release(): void {
    if (!this.#held || this.#stopped) return
    this.#held = false
    this.#flush()
    this.#listenOn()
  }

  /** The other side hears that nothing more will come. */
  end(): void {
    if (!this.#stopped) this.#to.end()
    this.#stopped = true
  }

  stop(): void {
    this.#stopped = true
    this.#waiting = []
    clearTimeout(this.#timer)
  }

  #take(chunk: Buffer | 'end'): void {
    if (this.#stopped) return
    this.#waiting.push({ chunk, due: now() + this.delayMs })
    if (this.#waiting.length > MOST_WAITING) this.#from.pause()
    this.#flush()
  }

  #flush(): void {
    clearTimeout(this.#timer)
    while (!this.#held && !this.#stopped) {
      const next = this.#waiting[0]
      if (!next) return
      const waitMs = next.due - now()
      // Half a millisecond: timers are no finer.
      if (waitMs > 0.5) {
        this.#timer = setTimeout(() => this.#flush(), waitMs)
        return
      }
      this.#waiting.shift()
      if (next.chunk === 'end') this.#to.end()
      else if (!this.#to.write(next.chunk)) this.#from.pause()
      this.#listenOn()
    }
  }

  #listenOn(): void {
    const isFull = this.#waiting.length > MOST_WAITING || this.#to.writableNeedDrain
    if (!this.#held && !this.#stopped && !isFull && this.#from.isPaused()) this.#from.resume()
  }
}
