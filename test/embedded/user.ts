// A process that uses the embedded PostgreSQL of a folder: says what it got, then obeys one word a line.
import { createInterface } from 'node:readline'
import { isForgeQError } from '../../src/errors.ts'
import { openEmbedded } from '../../src/embedded/index.ts'

const [dataDir, lingerMs] = process.argv.slice(2)
const say = (word: string, fields: object = {}) => process.stdout.write(`${JSON.stringify({ word, ...fields })}\n`)

const sayFailure = (error: unknown) =>
  isForgeQError(error)
    ? say('failed', { code: error.code, message: error.message, hint: error.hint })
    : say('failed', { code: 'unexpected', message: String(error) })

try {
  const from = performance.now()
  const embedded = await openEmbedded({
    dataDir: dataDir!,
    lingerMs: Number(lingerMs ?? 1000),
    onEvent: (event, fields) => say(event, fields),
  })
  say('open', { ms: Math.round(performance.now() - from), created: embedded.created, connection: embedded.connection })
  for await (const line of createInterface(process.stdin)) {
    try {
      if (line === 'ensure') await embedded.ensureRunning()
      if (line === 'release') await embedded.release()
      say(`${line} done`, { connection: embedded.connection })
    } catch (error) {
      sayFailure(error)
    }
  }
} catch (error) {
  sayFailure(error)
  process.exitCode = 1
}
