import { ForgeQError } from '../errors.ts'
import type { WorkerFigures } from '../queue/job-queue.ts'
import { pageJson } from '../wire/page.ts'
import { toSnake } from '../wire/snake.ts'
import type { WorkerView } from '../wire/workers.ts'
import { answer, answerJson } from './answer.ts'
import type { Handler } from './route.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const workerView = (figures: WorkerFigures): WorkerView => toSnake(figures)

export const listWorkers: Handler = async (_context, { queue }) =>
  answerJson(pageJson((await queue.workers.list()).map((figures) => JSON.stringify(workerView(figures)))))

export const showWorker: Handler = async (context, { queue }) => {
  const id = context.req.param('id') ?? ''
  if (!UUID.test(id)) throw new ForgeQError('worker_not_found', 'no worker has this id')
  return answer(workerView(await queue.workers.get(id.toLowerCase())))
}
