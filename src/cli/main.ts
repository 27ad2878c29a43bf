#!/usr/bin/env node
import { processIo } from './process-io.ts'
import { run } from './program.ts'

const io = processIo()
process.exitCode = await run(process.argv.slice(2), io)
// A handler that never ends, or a socket kept alive, must not keep a finished command; what was written goes out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit()))
