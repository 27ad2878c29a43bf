type SnakeKey<Key extends string> = Key extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${SnakeKey<Tail>}`
  : Key

/** A value whose names are snake_case: what the wire shows of a value of ours. */
export type Snake<Value> = Value extends readonly (infer Item)[]
  ? Snake<Item>[]
  : Value extends object
    ? { [Key in keyof Value as Key extends string ? SnakeKey<Key> : never]: Snake<Value[Key]> }
    : Value

/** The value with every name in snake_case. Only for values whose names are ours: data of users goes through untouched. */
export function toSnake<Value>(value: Value): Snake<Value> {
  return convert(value) as Snake<Value>
}

function convert(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(convert)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [snakeName(name), convert(item)]))
}

/** `runAt` becomes `run_at`. */
export const snakeName = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
