const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * The same JSON with nothing that moves a cursor, ends a line for some reader or reorders text: JSON itself escapes C0
 * only, the rest stands inside strings, where an escape means the same character.
 */
export const safeJson = (json: string): string =>
  json.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
