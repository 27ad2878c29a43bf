import type { QueueFigures } from '../queue/job-queue.ts'
import { pageJson } from '../wire/page.ts'
import { PauseBody, type QueueView } from '../wire/queues.ts'
import { toSnake } from '../wire/snake.ts'
import { answer, answerJson } from './answer.ts'
import { queueName } from './parameters.ts'
import { readBody, readNoBody } from './read-body.ts'
import type { Handler } from './route.ts'

const queueView = (figures: QueueFigures): QueueView => toSnake(figures)

export const listQueues: Handler = async (_context, { queue }) =>
  answerJson(pageJson((await queue.queues.list()).map((figures) => JSON.stringify(queueView(figures)))))

export const showQueue: Handler = async (context, { queue }) =>
  answer(queueView(await queue.queues.get(queueName(context))))

export const pauseQueue: Handler = async (context, { queue }) => {
  const name = queueName(context)
  const { reason, until } = await readBody(context, PauseBody)
  const by = context.env?.incoming?.socket.remoteAddress ?? 'http'
  return answer(
    queueView(
      await queue.queues.pause(name, {
        by,
        ...(reason !== undefined && { reason }),
        ...(until !== undefined && { until }),
      }),
    ),
  )
}

export const resumeQueue: Handler = async (context, { queue }) => {
  const name = queueName(context)
  await readNoBody(context)
  return answer(queueView(await queue.queues.resume(name)))
}
