const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** True for a UUIDv7 in its usual form, upper case too. */
export const isUuidV7 = (text: unknown): text is string => typeof text === 'string' && UUID_V7.test(text)

/** The one form in which ids are stored, compared and shown. */
export const canonicalId = (text: string): string => text.toLowerCase()

/** Milliseconds since 1970 at which the id was made, by the clock of whoever made it. */
export const msFromId = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
