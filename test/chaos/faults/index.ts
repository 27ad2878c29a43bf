import { CLOCK_FAULTS } from './clock.ts'
import { DATABASE_FAULTS } from './database.ts'
import type { Fault } from './fault.ts'
import { NETWORK_FAULTS } from './network.ts'
import { POSTGRES_FAULTS } from './postgres.ts'
import { PROCESS_FAULTS } from './processes.ts'

/** Everything that is done to the product and to what it stands on. */
export const FAULTS: readonly Fault[] = [
  ...PROCESS_FAULTS,
  ...POSTGRES_FAULTS,
  ...DATABASE_FAULTS,
  ...NETWORK_FAULTS,
  ...CLOCK_FAULTS,
]
