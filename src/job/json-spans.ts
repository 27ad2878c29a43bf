/** A part of a text: `text.slice(start, end)`. */
export interface Span {
  start: number
  end: number
}

export interface MemberSpans {
  /** Where each member's value stands, by its decoded key; of a key that stands twice, the first. */
  members: Map<string, Span>
  /** Keys that stand twice or more, each once. */
  duplicates: string[]
}

/**
 * Where the values of an object's members stand in the text, so that a part of a request can be stored and answered
 * digit for digit. The object is the whole text, or begins at `start`. Undefined when there is no object.
 *
 * Values are delimited, not checked: the text has been parsed before, or each part goes to `checkJson`.
 */
export function memberSpans(text: string, start?: number): MemberSpans | undefined {
  const members = new Map<string, Span>()
  let duplicates: Set<string> | undefined
  const end = eachPart(text, start ?? 0, '{', (from) => {
    const keyEnd = text[from] === '"' ? stringEnd(text, from) : -1
    const colon = keyEnd === -1 ? -1 : skipSpace(text, keyEnd)
    if (text[colon] !== ':') return -1
    const key = decodeString(text.slice(from, keyEnd))
    const value = skipSpace(text, colon + 1)
    const valueEnd = valueEndAt(text, value)
    if (key === undefined || valueEnd === -1) return -1
    if (members.has(key)) (duplicates ??= new Set()).add(key)
    else members.set(key, { start: value, end: valueEnd })
    return valueEnd
  })
  if (end === -1 || (start === undefined && skipSpace(text, end) < text.length)) return undefined
  return { members, duplicates: duplicates ? [...duplicates] : [] }
}

/** Where the elements of an array stand, likewise. */
export function elementSpans(text: string, start?: number): Span[] | undefined {
  const elements: Span[] = []
  const end = eachPart(text, start ?? 0, '[', (from) => {
    const elementEnd = valueEndAt(text, from)
    if (elementEnd !== -1) elements.push({ start: from, end: elementEnd })
    return elementEnd
  })
  return end === -1 || (start === undefined && skipSpace(text, end) < text.length) ? undefined : elements
}

/** Index after the string that begins at `start`, -1 when it does not end. */
export function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0
    while (text[quote - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return quote + 1
  }
  return -1
}

/** Index after the number, `true`, `false` or `null` that begins at `start`. */
export function scalarEnd(text: string, start: number): number {
  DELIMITER.lastIndex = start
  return DELIMITER.test(text) ? DELIMITER.lastIndex - 1 : text.length
}

// Made once, and asked for a place and not for a match: this runs for each value of each job of a bulk.
const DELIMITER = /[\s,\]}:[{"]/g
const BRACKET_OR_QUOTE = /["[\]{}]/g

/** Calls `read` at each part of an array or object, which returns the part's end; -1 when there is none. */
function eachPart(text: string, start: number, open: '{' | '[', read: (from: number) => number): number {
  let at = skipSpace(text, start)
  if (text[at] !== open) return -1
  const close = open === '{' ? '}' : ']'
  at = skipSpace(text, at + 1)
  if (text[at] === close) return at + 1
  for (;;) {
    const end = read(at)
    if (end === -1) return -1
    at = skipSpace(text, end)
    if (text[at] === close) return at + 1
    if (text[at] !== ',') return -1
    at = skipSpace(text, at + 1)
  }
}

function valueEndAt(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return stringEnd(text, start)
  if (first !== '{' && first !== '[') {
    const end = scalarEnd(text, start)
    return end > start ? end : -1
  }
  let depth = 0
  BRACKET_OR_QUOTE.lastIndex = start
  while (BRACKET_OR_QUOTE.test(text)) {
    const at = BRACKET_OR_QUOTE.lastIndex - 1
    const found = text[at]
    if (found === '"') {
      BRACKET_OR_QUOTE.lastIndex = stringEnd(text, at)
      if (BRACKET_OR_QUOTE.lastIndex <= 0) return -1
    } else if (found === '{' || found === '[') depth++
    else if (--depth === 0) return at + 1
  }
  return -1
}

function skipSpace(text: string, start: number): number {
  let at = start
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++
  return at
}

function decodeString(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted.slice(1, -1)
  try {
    return JSON.parse(quoted) as string
  } catch {
    return undefined
  }
}
