import { openLedger } from '../ledger.ts'

let note: ((n: number) => void) | undefined

/** Does nothing but say that it ran. */
export default ({ n }: { n: number }): void => {
  note ??= openLedger(process.env['SOAK_LEDGER']!)
  note(n)
}
