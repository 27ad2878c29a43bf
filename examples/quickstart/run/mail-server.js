import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { callbackify } from 'node:util'
import PostalMime from 'postal-mime'
import { SMTPServer } from 'smtp-server'

const SLOW_MS = 800

const bannerOf = (pid) => `ForgeQ quickstart ${pid}`

/** True when the server that wrote `note` still greets as itself, so that two runs do not mix their mails. */
export async function runsAlready(note) {
  const text = await readFile(note, 'utf8').catch(() => '')
  if (text === '') return false
  const { port, pid } = JSON.parse(text)
  const socket = connect({ host: '127.0.0.1', port, timeout: 2_000 })
  socket.once('timeout', () => socket.destroy())
  try {
    for await (const greeting of socket) return String(greeting).includes(bannerOf(pid))
  } catch {
    // Nobody listens there any more.
  }
  return false
}

/**
 * A mail server on loopback that takes every mail and delivers none. Addresses say what happens to them:
 * `slow.…` takes its time, `transient-N.…` is turned away N times first, `full.…` always, `unknown.…` for good.
 * When the sender hears "250", the mail is a file in `folder` and, parsed, in `received` under its Message-ID.
 * Takes the next free of `tries` ports, beginning with `port`.
 */
export async function startMailServer({ port, tries = 1, folder }) {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const received = new Map()
  const refusals = new Map()

  const server = new SMTPServer({
    banner: bannerOf(process.pid),
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: 1024 * 1024,
    closeTimeout: 1_000,
    logger: false,
    onRcptTo: ({ address }, session, done) => {
      // A sender that names the message in its own address is turned away per message, others per recipient.
      const sender = session.envelope.mailFrom ? session.envelope.mailFrom.address : ''
      done(refusalOf(address, `${sender} ${address}`, refusals))
    },
    onData: callbackify((stream, session) => keep(stream, session, { folder, received })),
  })
  // A client that goes away in the middle of its mail is its own trouble.
  server.on('error', () => {})

  return {
    port: await listen(server, port, tries),
    received,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

/** The answer to a recipient: an error with its SMTP code, or null for a welcome one. */
export function refusalOf(address, key, refusals) {
  const kind = /^(unknown|full|transient-(\d))\./.exec(address)
  if (!kind) return null
  if (kind[1] === 'unknown') return refusal(550, '5.1.1 no such mailbox')
  if (kind[1] === 'full') return refusal(452, '4.2.2 mailbox full')
  const times = refusals.get(key) ?? 0
  if (times >= Number(kind[2])) return null
  refusals.set(key, times + 1)
  return refusal(451, '4.7.1 greylisted, try again later')
}

const refusal = (responseCode, message) => Object.assign(new Error(message), { responseCode })

async function keep(stream, session, { folder, received }) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  if (stream.sizeExceeded) throw refusal(552, '5.3.4 the mail is too large')
  const raw = Buffer.concat(chunks)
  const recipients = session.envelope.rcptTo.map(({ address }) => address)
  if (recipients.some((address) => address.startsWith('slow.'))) await pause(SLOW_MS)

  const {
    messageId = `<${randomUUID()}@unnamed.example>`,
    subject = '',
    text = '',
    to = [],
  } = await PostalMime.parse(raw)
  const name = `${messageId
    .replace(/^<|[@>].*$/g, '')
    .replace(/[^\w.-]/g, '_')
    .slice(0, 100)}.eml`
  await writeFile(join(folder, name), raw)
  const mail = { recipients, to: to.map(({ address }) => address), subject, text }
  received.set(messageId, [...(received.get(messageId) ?? []), mail])
  return `kept as ${name}`
}

async function listen(server, port, tries) {
  try {
    await new Promise((resolve, reject) => {
      server.server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        server.server.off('error', reject)
        resolve()
      })
    })
    return server.server.address().port
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error
    if (tries > 1) return listen(server, port + 1, tries - 1)
    throw new Error(`port ${port} is taken: set QUICKSTART_SMTP_PORT to a free one`, { cause: error })
  }
}
