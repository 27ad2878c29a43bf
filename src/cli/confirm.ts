import { UsageError } from './failure.ts'
import { canAsk, type Io } from './io.ts'

/**
 * Says what will be touched and asks on a terminal; elsewhere `--yes` must have said it. False: the person said no.
 * @throws {UsageError} nobody to ask and no `--yes`
 */
export async function confirmed(io: Io, what: string, yes: boolean): Promise<boolean> {
  if (yes) return true
  if (!canAsk(io)) throw new UsageError(`${what}: nobody is here to be asked`, 'the same command with --yes')
  const answer = await io.ask(`${what}. Go on? [y/N] `)
  return /^y(es)?$/i.test(answer.trim())
}
