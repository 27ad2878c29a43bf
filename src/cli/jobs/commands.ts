import type { Command } from 'commander'
import { branch, type Cli } from '../command.ts'
import { jobsCancelCommand, jobsRetryCommand, jobsRunCommand } from './act.ts'
import { jobsDeleteCommand } from './delete.ts'
import { jobsListCommand } from './list.ts'
import { jobsShowCommand } from './show.ts'
import { jobsWhyCommand } from './why.ts'

export const jobsCommand = (cli: Cli): Command =>
  branch(cli, 'jobs', 'look at jobs and act on them', [
    jobsListCommand(cli),
    jobsShowCommand(cli),
    jobsWhyCommand(cli),
    jobsRetryCommand(cli),
    jobsRunCommand(cli),
    jobsCancelCommand(cli),
    jobsDeleteCommand(cli),
  ])
