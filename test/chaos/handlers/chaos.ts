import type { Work } from '../history.ts'
import { runWork, type Run } from '../perform.ts'

/** The one handler of the command line's workers: does what the payload says. */
export default ({ work }: { work: Work }, job: Run): Promise<unknown> => runWork(work, job)
