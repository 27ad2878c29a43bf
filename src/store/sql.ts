/** A statement with its values apart. `name` is what stands in its first line: the word for it in logs and statistics. */
export interface Statement {
  readonly name: string
  readonly text: string
  readonly values: unknown[]
  /** What the driver calls the prepared statement: `name`, made one for each text. */
  readonly prepared: string
  /** Rows come as arrays in the order of the columns: for those that are many. */
  readonly rowsAsArrays?: boolean
}

/** Constant SQL put into a statement as it stands. Never made from anything that a caller sent. */
export class Fragment {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** SQL shared by several statements. */
export const fragment = (strings: TemplateStringsArray, ...parts: Fragment[]): Fragment =>
  new Fragment(strings.reduce((text, string, i) => text + (parts[i - 1]?.text ?? '') + string))

const prepared = new Map<string, string>()

function nameOf(text: string): string {
  const name = /^\s*\/\* (forgeq:\w+) \*\//.exec(text)?.[1]
  if (!name) throw new TypeError(`a statement begins with its name: ${text.slice(0, 60)}`)
  return name
}

function prepare(text: string, name: string): string {
  const known = prepared.get(text)
  if (known) return known
  const made = `${name}_${prepared.size + 1}`
  prepared.set(text, made)
  return made
}

const fixed = new WeakMap<TemplateStringsArray, Omit<Statement, 'values'>>()

/** Builds a statement whose interpolated values are bound as parameters; fragments are put in as text. */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Statement {
  const known = fixed.get(strings)
  if (known) return { ...known, values }
  const bound: unknown[] = []
  const text = strings.reduce((before, string, i) => {
    const value = values[i - 1]
    return before + (value instanceof Fragment ? value.text : `$${bound.push(value)}`) + string
  })
  const name = nameOf(text)
  const made = { name, text, prepared: prepare(text, name) }
  if (bound.length === values.length) fixed.set(strings, made)
  return { ...made, values: bound }
}
