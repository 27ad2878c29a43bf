#!/usr/bin/env node
import { packageVersion } from '../version.ts'
import { processIo } from './process-io.ts'

const io = processIo()
const args = process.argv.slice(2)
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) io.stdout.write(`${packageVersion()}\n`)
// Only now: all that commands are made of takes longer to load than Node itself.
else process.exitCode = await (await import('./program.ts')).run(args, io)
// A handler that never ends, or a socket kept alive, must not keep a finished command; what was written goes out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit()))
