/** A promise with what settles it: `Promise.withResolvers()`, which Node 20 does not have. */
export function deferred() {
  let settle
  const promise = new Promise((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}
