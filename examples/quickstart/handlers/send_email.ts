import { createTransport } from 'nodemailer'
import { MAIL_HOST, mailPort } from '../mail-server-address.ts'
import { permanentError } from '../permanent-error.ts'

interface Payload {
  email: string
  subject?: string
  text?: string
}

interface Job {
  id: string
  attempt: number
  signal: AbortSignal
  log: { info(message: string): void }
}

const ADDRESS = /^[^\s@<>,;:"\\]{1,64}@[^\s@<>,;:"\\]{1,253}$/

/** Sends one plain text mail over SMTP. A refusal with 5xx is final; with 4xx ForgeQ comes back after the job's backoff. */
export default async function sendEmail(payload: Payload, job: Job) {
  const { email, subject = 'Hello from ForgeQ', text = `This mail was sent by job ${job.id}.\n` } = payload ?? {}
  if (typeof email !== 'string' || !ADDRESS.test(email))
    throw permanentError('the payload needs an "email": one address')
  if (typeof subject !== 'string' || typeof text !== 'string') throw permanentError('"subject" and "text" are strings')

  const port = mailPort()
  const transport = createTransport({ host: MAIL_HOST, port, ignoreTLS: true, connectionTimeout: 5_000 })
  try {
    const { messageId, response } = await transport.sendMail({
      // A job may run twice: the same Message-ID lets mailboxes drop the second copy.
      messageId: `<${job.id}@quickstart.example>`,
      from: { name: 'ForgeQ quickstart', address: 'quickstart@example.com' },
      to: { name: '', address: email },
      // The address that bounces go to names the job, as mailing lists do it (VERP).
      envelope: { from: `bounces+${job.id}@example.com`, to: [email] },
      subject,
      text,
      textEncoding: 'quoted-printable',
      disableFileAccess: true,
      disableUrlAccess: true,
      signal: job.signal,
    })
    job.log.info(`${email}: ${response}`)
    return { message_id: messageId, response }
  } catch (error) {
    throw explained(error, email, port)
  } finally {
    transport.close()
  }
}

function explained(error: unknown, email: string, port: number): unknown {
  if (!(error instanceof Error)) return error
  if ('code' in error && error.code === 'ESOCKET' && /ECONNREFUSED/.test(error.message)) {
    const message = `no mail server on ${MAIL_HOST}:${port}: start the example with npm start`
    return Object.assign(new Error(message, { cause: error }), { code: 'ECONNREFUSED' })
  }
  const status = 'responseCode' in error && typeof error.responseCode === 'number' ? error.responseCode : 0
  if (status >= 500) return permanentError(`${answerOf(error)} (${email})`, error)
  if (status >= 400) return new Error(`${answerOf(error)} (${email})`, { cause: error })
  return error
}

const answerOf = (error: Error): string =>
  'response' in error && typeof error.response === 'string' ? error.response : error.message
