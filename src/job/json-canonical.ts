import { canonicalNumber } from './json-number.ts'
import { scalarEnd, stringEnd } from './json-spans.ts'

/** An array or object that is being read; only an object has a key, and that between the key and its value. */
interface Level {
  keys: string[] | undefined
  values: string[]
}

/**
 * The same text for equal JSON values, equal as PostgreSQL's `jsonb` takes it: keys sorted by code unit, no white
 * space, `-0` as `0`, `1e2` and `100.0` as `100`, one form of each string. Expects JSON that `checkJson` accepts.
 */
export function canonicalJson(text: string): string {
  // A stack of its own, and texts joined by `+`, which copies nothing: deep nesting costs no more than wide.
  const root: Level = { keys: undefined, values: [] }
  const levels: Level[] = [root]
  for (let at = 0; at < text.length;) {
    const level = levels.at(-1)!
    const character = text[at]!
    if (character === '{' || character === '[') {
      levels.push({ keys: character === '{' ? [] : undefined, values: [] })
      at++
    } else if (character === '}' || character === ']') {
      levels.pop()
      levels.at(-1)!.values.push(closed(level))
      at++
    } else if (character === '"') {
      const end = stringEnd(text, at)
      const string = canonicalString(text.slice(at, end))
      if (level.keys && level.keys.length === level.values.length) level.keys.push(string)
      else level.values.push(string)
      at = end
    } else if (/[-\dtfn]/.test(character)) {
      const end = scalarEnd(text, at)
      const word = text.slice(at, end)
      level.values.push(/[tfn]/.test(character) ? word : canonicalNumber(word))
      at = end
    } else at++
  }
  return root.values.join('')
}

function closed({ keys, values }: Level): string {
  if (!keys) return `[${commas(values)}]`
  const members = keys.map((key, index) => ({ key: JSON.parse(key) as string, text: `${key}:${values[index]}` }))
  members.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
  return `{${commas(members.map(({ text }) => text))}}`
}

function commas(parts: string[]): string {
  let text = parts[0] ?? ''
  for (let index = 1; index < parts.length; index++) text += `,${parts[index]}`
  return text
}

/** Without escapes a string has one form already. */
const canonicalString = (quoted: string): string =>
  quoted.includes('\\') ? JSON.stringify(JSON.parse(quoted)) : quoted
