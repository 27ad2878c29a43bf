import type { Command } from 'commander'
import type { Job } from '../../job/job.ts'
import { does, leaf, type Cli } from '../command.ts'
import { announce } from '../enqueued.ts'
import type { Queue } from '../figures.ts'
import { idFrom } from '../id.ts'
import { withApp } from '../session.ts'

interface Act {
  name: string
  summary: string
  example: string
  act: (queue: Queue, id: string) => Promise<Job>
  remark?: (job: Job) => string | undefined
}

export const jobsRetryCommand = (cli: Cli): Command =>
  acting(cli, {
    name: 'retry',
    summary: 'give ended jobs a new life; a retrying one runs now',
    example: 'forgeq jobs retry 01978f6e-0000-7000-8000-000000000000',
    act: (queue, id) => queue.jobs.retry(id),
  })

export const jobsRunCommand = (cli: Cli): Command =>
  acting(cli, {
    name: 'run',
    summary: 'run scheduled or retrying jobs now',
    example: 'forgeq jobs run 01978f6e-0000-7000-8000-000000000000',
    act: (queue, id) => queue.jobs.run(id),
  })

export const jobsCancelCommand = (cli: Cli): Command =>
  acting(cli, {
    name: 'cancel',
    summary: 'end waiting jobs at once, ask running ones to end',
    example: 'forgeq jobs cancel 01978f6e-0000-7000-8000-000000000000',
    act: (queue, id) => queue.jobs.cancel(id),
    remark: ({ state }) => (state === 'running' ? 'its worker is asked to end it' : undefined),
  })

/** One id or several: the first that is refused ends it, with what is done already printed. */
function acting(cli: Cli, { name, summary, example, act, remark }: Act): Command {
  const command = leaf(cli, { name: `${name} <ids...>`, summary, examples: [example] })
  return does(cli, command, async (invocation) => {
    const { out, args } = invocation
    const ids = args.map(idFrom)
    await withApp(invocation, async ({ queue }) => {
      const { jobJson } = await import('../../wire/jobs.ts')
      const done: string[] = []
      try {
        for (const id of ids) {
          const job = await act(queue, id)
          done.push(jobJson(job))
          if (!out.json) announce(out, job.id, job.state, remark?.(job))
        }
      } finally {
        if (out.json && ids.length > 1) out.printJsonList(done)
        else if (out.json && done[0] !== undefined) out.printJson(done[0])
      }
    })
  })
}
