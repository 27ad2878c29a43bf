import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { answer, answerJson, forgeq, forgeqCommand, leaveNothing, project, start, until } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

const ESC = '\u001b'
const HOSTILE = `${ESC}]0;x\u0007 \u009b2J \rFAKE LOG \u2028 \u202e \u007f end`
// What a terminal could obey, but for line ends and the product's own colours.
const RAW = /[\u0000-\u0009\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u
const COLORS = new RegExp(`${ESC}\\[[0-9;]*m`, 'g')

/** What the command writes to a terminal of its own, byte for byte. */
async function onTerminal(folder: string, args: string[]): Promise<string> {
  const line = [forgeqCommand, ...args.map((arg) => `'${arg}'`)].join(' ')
  const seen = start(folder, 'script', ['-qec', line, '/dev/null'], {
    env: { DATABASE_URL: db.url, TERM: 'xterm-256color' },
  })
  expect(await seen.ended, seen.text()).toBe(0)
  return seen.out()
}

function expectHarmless(shown: string): void {
  // The terminal itself turns each line end into CR LF; a CR of the job's text would stand alone.
  const bare = shown.replaceAll('\r\n', '\n').replaceAll(COLORS, '')
  expect(bare.match(new RegExp(RAW, 'gu')) ?? []).toEqual([])
  expect(bare).not.toContain('\r')
  expect(bare).not.toContain(ESC)
}

test('what a job prints and throws steers no terminal and no log, and --json gives it back exactly', async () => {
  const env = { DATABASE_URL: db.url }
  const folder = project({
    'handlers/throws.ts': `export default () => { throw new Error(${JSON.stringify(HOSTILE)}) }\n`,
    'handlers/prints': `#!/bin/sh
cat > /dev/null
printf '%b' '${octal(HOSTILE)}\\n' >&2
exit 65
`,
  })
  const worker = forgeq(folder, ['worker'], { env })
  await worker.printed('serves')
  const ids: string[] = []
  for (const type of ['throws', 'prints']) {
    const args = [
      'enqueue',
      '--type',
      type,
      '--max-attempts',
      '1',
      '--tag',
      'hostile',
      '--payload',
      JSON.stringify({ text: HOSTILE }),
    ]
    ids.push((await answer(folder, args, { env })).split('\t')[0]!)
  }
  await until(
    async () => (await answerJson<unknown[]>(folder, ['jobs', 'list', '--state', 'dead'], { env })).length === 2,
  )

  for (const line of worker.err().trimEnd().split('\n')) {
    expect(typeof JSON.parse(line)).toBe('object')
    expect(line).not.toMatch(RAW)
  }
  expect(worker.err()).toContain('FAKE LOG')

  const list = await onTerminal(folder, ['jobs', 'list'])
  expect(list).toContain(ESC) // colours, so this is a terminal's output
  expectHarmless(list)
  for (const id of ids) {
    const shown = await onTerminal(folder, ['jobs', 'show', id])
    expect(shown).toContain('FAKE LOG')
    expectHarmless(shown)
    expectHarmless(await onTerminal(folder, ['jobs', 'why', id]))
  }
  const [thrown] = await Promise.all(
    ids.map((id) => answerJson<Record<string, unknown>>(folder, ['jobs', 'show', id], { env })),
  )
  expect(thrown).toMatchObject({ error: { message: HOSTILE }, payload: { text: HOSTILE } })
  const raw = await answer(folder, ['jobs', 'show', ids[0]!, '--json'], { env })
  expect(raw.trimEnd()).not.toMatch(RAW)
})

/** For `printf %b`: every byte of the text in UTF-8. */
const octal = (text: string): string => [...Buffer.from(text)].map((byte) => `\\0${byte.toString(8)}`).join('')
