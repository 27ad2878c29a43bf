type Part = PropertyKey | { key: PropertyKey }

/** Where in the payload a Standard Schema found something wrong: `payload.items.3.price`. */
export const payloadPath = (path: readonly Part[] = []): string =>
  ['payload', ...path.map((part) => String(typeof part === 'object' ? part.key : part))].join('.')
