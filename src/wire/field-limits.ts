export const MAX_TAGS = 20
export const MAX_ATTEMPTS = { min: 1, max: 10_000 } as const
export const PRIORITY = { min: -32_768, max: 32_767 } as const
