import { ForgeQError } from '../errors.ts'
import type { Io } from './io.ts'

export interface Line {
  /** Counted as an editor does, from 1, blank ones too. */
  number: number
  text: string
}

/**
 * The lines of a stream that are not blank: a byte order mark, CRLF and a missing last line feed are fine. A line
 * longer than `maxBytes` is refused while it is read, so that memory does not grow with it.
 * @throws {ForgeQError} `payload_too_large`, `invalid_json` (not UTF-8) with the line's number
 */
export async function* readLines(stdin: Io['stdin'], maxBytes: number): AsyncGenerator<Line> {
  let number = 1
  let parts: Uint8Array[] = []
  let held = 0
  const take = (part: Uint8Array): void => {
    held += part.length
    if (held > maxBytes) throw new ForgeQError('payload_too_large', `line ${number} is longer than ${maxBytes} bytes`)
    parts.push(part)
  }
  const finish = (): Line | undefined => {
    const text = decodeLine(Buffer.concat(parts), number)
    const line = text.trim() === '' ? undefined : { number, text }
    parts = []
    held = 0
    number += 1
    return line
  }
  for await (const chunk of stdin) {
    let rest: Uint8Array = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      take(rest.subarray(0, end))
      rest = rest.subarray(end + 1)
      const line = finish()
      if (line) yield line
    }
    if (rest.length > 0) take(rest)
  }
  const last = finish()
  if (last) yield last
}

function decodeLine(bytes: Uint8Array, number: number): string {
  try {
    // Only the first line of a file may begin with a byte order mark.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: number > 1 }).decode(bytes)
    return text.endsWith('\r') ? text.slice(0, -1) : text
  } catch {
    throw new ForgeQError('invalid_json', `line ${number} is not valid UTF-8`)
  }
}
