// What `npm start` runs: a mail server, `forgeq dev`, the example's jobs, and what became of them.
// With --once it ends after the checks: exit code 0 if all held, 1 otherwise.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createApi } from './run/api.js'
import { readInput } from './run/feed.js'
import { follow } from './run/follow.js'
import { MAIL_SERVER_NOTE, OUT } from './run/folders.js'
import { startForgeqDev } from './run/forgeq-dev.js'
import { createReporter, printNextSteps, printSummary } from './run/report.js'
import { block, endLive, plain, say } from './run/screen.js'
import { createStopper } from './run/stopper.js'

const once = readOnce()
const stopper = createStopper({ onStop: endLive })
// Ctrl-C is a fine end for a person, but not for a run that was to be checked.
process.exitCode = once ? 1 : 0
try {
  await runExample()
  if (once) await stopper.stop()
} catch (error) {
  fail(error)
  await stopper.stop()
}

function readOnce() {
  try {
    return parseArgs({ options: { once: { type: 'boolean', default: false } } }).values.once
  } catch (error) {
    console.error(`${error.message}\nUsage: node examples/quickstart/start.js [--once]`)
    process.exit(2)
  }
}

async function runExample() {
  const { checkAll } = await import('./run/checks.js')
  const mail = await openMailServer()
  const { url, show } = await openForgeq(mail.port)
  const api = createApi(url)
  const { run, jobs } = await readInput()
  const enqueuedAt = Date.now()
  const ids = await api.enqueue(jobs)
  say(`${ids.length} jobs are enqueued, tagged ${run}`)

  const found = await follow(api, { run, ids, onChanges: createReporter({ total: ids.length, enqueuedAt }) })
  const entries = await Promise.all(
    jobs.map(async (asked, n) => {
      const job = found.get(ids[n]) ?? { id: ids[n], type: asked.type, state: 'not listed', attempt: 0 }
      // Lists are for looking; a result is read from the job itself.
      return { asked, job: asked.type === 'send_email' ? job : await api.job(ids[n]) }
    }),
  )
  const held = printSummary(entries, await checkAll(entries, mail.received))
  process.exitCode = held ? 0 : 1
  if (once) return
  printNextSteps(url, entries.find(({ job }) => job.state === 'dead')?.job)
  show()
}

async function openMailServer() {
  const { runsAlready, startMailServer } = await import('./run/mail-server.js')
  if (await runsAlready(MAIL_SERVER_NOTE))
    throw new Error('the example runs already, in another terminal: stop it first')
  const chosen = process.env.QUICKSTART_SMTP_PORT
  const mail = await startMailServer({
    port: Number(chosen || 2525),
    tries: chosen ? 1 : 20,
    folder: join(OUT, 'mail'),
  })
  stopper.addStep(async () => {
    await mail.close()
    await rm(MAIL_SERVER_NOTE, { force: true })
  })
  await writeFile(MAIL_SERVER_NOTE, JSON.stringify({ port: mail.port, pid: process.pid }))
  say(`mail server on 127.0.0.1:${mail.port}, mails go to examples/quickstart/out/mail`)
  return mail
}

async function openForgeq(mailPort) {
  const forgeq = startForgeqDev({ env: { QUICKSTART_SMTP_PORT: String(mailPort) } })
  stopper.addStep(forgeq.stop, forgeq.hurry)
  const sayWhy = () => !stopper.stopping && block(forgeq.lastLines().map(plain))
  const url = await forgeq.ready().catch((error) => {
    sayWhy()
    throw error
  })
  void forgeq.exited.then((cause) => {
    sayWhy()
    fail(new Error(`forgeq dev ended: ${cause}`))
    return stopper.stop()
  })
  say(`forgeq dev serves ${url}, its log is examples/quickstart/out/forgeq.log`)
  return { url, show: forgeq.show }
}

/** Says what went wrong, unless it went wrong because everything is being stopped. */
function fail(error) {
  if (stopper.stopping) return
  const hint = error.code === 'ERR_MODULE_NOT_FOUND' ? ': run "npm ci --prefix examples/quickstart"' : ''
  say(`${error.message}${hint}`, 'red')
  process.exitCode = 1
}
