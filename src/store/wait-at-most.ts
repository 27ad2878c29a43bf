/** Waits for `work`, but no longer than `ms`; it may still end later. No timer outlives the wait. */
export async function waitAtMost(ms: number, work: Promise<unknown>): Promise<void> {
  let late: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => (late = setTimeout(resolve, ms)))
  await Promise.race([work, limit]).finally(() => clearTimeout(late))
}
