import { fileURLToPath } from 'node:url'

/** A route that stores nothing: what the HTTP framework can do. It only takes part where HTTP is measured. */
export async function open() {
  return { setup: async () => {}, storedNumbers: null, teardown: async () => {} }
}

export const serverArguments = () => [fileURLToPath(new URL('./bare-hono-server.js', import.meta.url))]
