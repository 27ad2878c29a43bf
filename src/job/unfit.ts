/** Objects that JSON would write as `{}`, or as an object of numbered members, with nobody noticing. */
const LOSSY: readonly (readonly [abstract new (...args: never[]) => unknown, string])[] = [
  [Promise, 'a Promise: await it first'],
  [Map, 'a Map: give Object.fromEntries of it'],
  [Set, 'a Set: give an array of it'],
  [Error, 'an Error: give its name and message'],
  [RegExp, 'a RegExp: give its source'],
  [ArrayBuffer, 'an ArrayBuffer: give text, such as base64'],
  [DataView, 'a DataView: give text, such as base64'],
  [WeakMap, 'a WeakMap'],
  [WeakSet, 'a WeakSet'],
  [WeakRef, 'a WeakRef'],
]

/** Why JSON has no word for a value, whatever lies inside of it; undefined when it has. Throws what a proxy throws. */
export function whyUnfit(value: unknown): string | undefined {
  switch (typeof value) {
    case 'object':
      return value === null || Array.isArray(value) ? undefined : objectUnfit(value)
    case 'number':
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot say`
    case 'function':
    case 'symbol':
      return `is a ${typeof value}, which JSON cannot say`
    case 'bigint':
      return 'is a BigInt: give it as text, or as a number when it is small'
    default:
      return undefined
  }
}

function objectUnfit(value: object): string | undefined {
  if (Object.getPrototypeOf(value) === Object.prototype) return undefined
  for (const [kind, what] of LOSSY) if (value instanceof kind) return `is ${what}`
  if (ArrayBuffer.isView(value)) return `is a ${value.constructor.name}: give Array.from of it, or text`
  return Object.prototype.toString.call(value) === '[object BigInt]' ? whyUnfit(0n) : undefined
}
