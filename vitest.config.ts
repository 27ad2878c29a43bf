import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // A worker thread of the product (the heartbeat) is TypeScript here; jiti teaches Node to load it.
    execArgv: ['--import', 'jiti/register'],
    // Most tests wait for processes more than they compute: three at a time keep two cores busy.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
})
