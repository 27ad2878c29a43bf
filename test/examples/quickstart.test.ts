import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const EXAMPLE = fileURLToPath(new URL('../../examples/quickstart/', import.meta.url))
const MARK = Symbol.for('forgeq.handler_signal')
const NON_RETRYABLE = { [MARK]: { kind: 'non_retryable' } }
// Its dependencies are its own; `npm ci --prefix examples/quickstart` installs them.
const installed = existsSync(join(EXAMPLE, 'node_modules', 'nodemailer'))

type Handler = (payload: unknown, job: unknown) => Promise<Record<string, unknown>>
interface MailServer {
  port: number
  received: Map<string, { recipients: string[]; subject: string; text: string }[]>
  close(): Promise<void>
}
interface InputJob {
  type: string
  payload: Record<string, string>
  tags: string[]
}

const load = async (path: string) => (await import(pathToFileURL(join(EXAMPLE, path)).href)) as Record<string, unknown>
const input = async (file: string) =>
  (await readFile(join(EXAMPLE, 'input', file), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as InputJob)

describe('the input', () => {
  test('has 200 mails of four kinds, to nobody outside of example.com and example.org', async () => {
    const mails = await input('mail.ndjson')
    const count = (tag: string) => mails.filter(({ tags }) => tags.includes(tag)).length
    expect(['good', 'slow', 'transient', 'hopeless'].map(count)).toEqual([150, 20, 20, 10])
    expect(mails.filter(({ payload }) => !/^[\w.-]+@example\.(com|org)$/.test(payload['email'] ?? ''))).toEqual([])
    expect(new Set(mails.map(({ payload }) => payload['email'])).size).toBe(200)
  })

  test('is what its maker makes', async () => {
    const { makeMails } = await load('input/make/mail.js')
    expect((makeMails as () => unknown)()).toEqual(await input('mail.ndjson'))
  })

  test('names only files that are there, but for the one that is lost', async () => {
    const [pictures, texts] = await Promise.all(
      ['pictures', 'texts'].map((name) => readdir(join(EXAMPLE, 'input', name))),
    )
    const named = [...(await input('pictures.ndjson')), ...(await input('texts.ndjson'))].flatMap(
      ({ payload }) => payload['picture'] ?? payload['file'] ?? [],
    )
    const there = new Set([...(pictures ?? []), ...(texts ?? [])])
    expect(named.filter((name) => !there.has(name))).toEqual(['lost.txt'])
  })
})

describe.skipIf(process.platform === 'win32')('word_count', () => {
  const run = (payload: string) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(join(EXAMPLE, 'handlers/word_count'), (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      )
      child.stdin?.end(payload)
    })

  test.each([
    ['one two\nthree\n', 3, 2],
    ['', 0, 0],
    ['no end of line', 4, 1],
    ['\n\n a\tb\r\nc\u000bd\n', 4, 4],
    ['größe 日本語 👩🏽‍🚀 "quoted" \\n %s', 6, 1],
  ])('counts the words and lines of %j', async (text, words, lines) => {
    expect(JSON.parse((await run(JSON.stringify({ text }))).stdout)).toEqual({ words, lines })
  })

  test('finds its field among nested ones, and reads escaped white space', async () => {
    const { stdout } = await run('{"a":{"text":"no","b":["}",1]},"text":"two\\u0020words\\u000a"}')
    expect(JSON.parse(stdout)).toEqual({ words: 2, lines: 1 })
  })

  test.each([
    '{"file":"../../package.json"}',
    '{"file":"/etc/passwd"}',
    '{"file":".."}',
    '{"file":"a\\u002e"}',
    '{}',
    '[]',
    '{"te',
  ])('says that %s is beyond help', async (payload) => {
    const { code, stdout, stderr } = await run(payload)
    expect({ code, stdout }).toEqual({ code: 65, stdout: '' })
    expect(stderr).not.toBe('')
  })
})

describe.skipIf(!installed)('resize_image', () => {
  test.each(['../../package.json', '/etc/passwd', '..', 'no-such.jpg', 'cut-off.png'])(
    'refuses %s for good',
    async (picture) => {
      const { default: resize } = await load('handlers/resize_image.ts')
      const job = { signal: new AbortController().signal, log: { info: () => {} } }
      await expect((resize as Handler)({ picture }, job)).rejects.toMatchObject(NON_RETRYABLE)
    },
  )
})

describe.skipIf(!installed)('send_email', () => {
  let server: MailServer
  let folder: string
  let send: (payload: unknown, signal?: AbortSignal) => Promise<Record<string, unknown>>

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeq-quickstart-'))
    const { startMailServer } = await load('run/mail-server.js')
    server = await (startMailServer as (options: object) => Promise<MailServer>)({ port: 0, folder })
    process.env['QUICKSTART_SMTP_PORT'] = String(server.port)
    const { default: handler } = await load('handlers/send_email.ts')
    send = (payload, signal = new AbortController().signal) =>
      (handler as Handler)(payload, { id: 'job-1', attempt: 1, signal, log: { info: () => {} } })
  })

  afterEach(async () => {
    delete process.env['QUICKSTART_SMTP_PORT']
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  test('delivers recipient, subject and text exactly, dots and long lines too', async () => {
    const mail = {
      email: 'it@example.org',
      subject: `Größe 日本 ${'x'.repeat(300)}`,
      text: `.\n..\n${'é'.repeat(2000)} \n\n`,
    }
    await send(mail)
    expect(server.received.get('<job-1@quickstart.example>')).toEqual([
      { recipients: [mail.email], to: [mail.email], subject: mail.subject, text: mail.text },
    ])
    expect(await readdir(folder)).toEqual(['job-1.eml'])
  })

  test('needs no more than an address', async () => {
    await expect(send({ email: 'test@example.com' })).resolves.toMatchObject({
      message_id: '<job-1@quickstart.example>',
    })
  })

  test('is turned away for now as often as the address says, then heard', async () => {
    const refused = { message: expect.stringContaining('451 4.7.1') as string, [MARK]: undefined }
    await expect(send({ email: 'transient-2.it@example.com' })).rejects.toMatchObject(refused)
    await expect(send({ email: 'transient-2.it@example.com' })).rejects.toMatchObject(refused)
    await expect(send({ email: 'transient-2.it@example.com' })).resolves.toBeDefined()
  })

  test.each([{ email: 'unknown.it@example.com' }, { email: 'a@example.com, b@example.com' }, { email: 5 }, {}, null])(
    'gives up on %j for good',
    async (payload) => {
      await expect(send(payload)).rejects.toMatchObject(NON_RETRYABLE)
      expect(server.received.size).toBe(0)
    },
  )

  test('stops at once when the job is cancelled', async () => {
    const cancel = new AbortController()
    cancel.abort(new Error('cancelled'))
    await expect(send({ email: 'slow.it@example.com' }, cancel.signal)).rejects.toThrow(/abort/i)
  })

  test('says how to start the mail server when there is none', async () => {
    await server.close()
    await expect(send({ email: 'it@example.com' })).rejects.toThrow(
      `no mail server on 127.0.0.1:${server.port}: start the example with npm start`,
    )
    server.close = () => Promise.resolve()
  })
})
