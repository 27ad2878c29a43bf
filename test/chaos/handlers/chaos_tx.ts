import type { Work } from '../history.ts'
import { runTxWork, type TxRun } from '../perform-tx.ts'

/** Completes its job in a transaction of its own, from the command line's workers too: also in a child, as a suspect. */
export default ({ work }: { work: Work }, job: TxRun): Promise<void> => runTxWork(work, job)
