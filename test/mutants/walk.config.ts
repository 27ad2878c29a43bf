import { defineConfig } from 'vitest/config'
import config from '../../vitest.config.ts'

/** The walk of one mutant, which is no part of the suite. */
export default defineConfig({ test: { ...config.test, include: ['test/mutants/mutant.walk.ts'] } })
