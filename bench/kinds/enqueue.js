/** Producers alone, into an empty store. */
export async function runEnqueue({ callers, perCall }, _system, { sizes, store, start }) {
  await store.settle()
  const { result } = start('enqueue', {
    callers,
    perCall,
    forMs: perCall === 1 ? sizes.seconds * 1000 : Infinity,
    mostJobs: perCall === 1 ? Infinity : sizes.jobs,
  })
  return result
}
