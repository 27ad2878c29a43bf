import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Instrument, Mutant } from './mutant.ts'
import { makeWorkspace, REPOSITORY } from './workspace.ts'

/** A mutant lives for at most so long. */
export const WITHIN_MS = 600_000

export interface Tried {
  caught: boolean
  /** What noticed it: an invariant, a test; or what was noticed instead. */
  by: string
  seconds: number
  /** The end of what the instrument said. */
  said: string
}

interface Ran {
  code: number | null
  out: string
}

/** Runs the instrument on the mutated product until it notices, or the time is over. */
export async function tryMutant({ edits, caughtBy }: Mutant, signal: AbortSignal): Promise<Tried> {
  const workspace = makeWorkspace(edits, { withTests: caughtBy.by !== 'chaos' })
  const began = performance.now()
  const seconds = () => Math.round((performance.now() - began) / 1000)
  try {
    workspace.build()
    for (let seed = 1; ; seed++) {
      const leftMs = WITHIN_MS - (performance.now() - began)
      const ran = await run(commandOf(caughtBy, workspace.folder, seed), leftMs, signal)
      const said = ran.out.slice(-4_000)
      if (signal.aborted) return { caught: false, by: 'nothing', seconds: seconds(), said }
      const verdict = verdictOf(caughtBy, ran)
      if (verdict.caught) return { ...verdict, seconds: seconds(), said }
      const needsMs = performance.now() - began < WITHIN_MS ? minutesOf(caughtBy) * 60_000 : Infinity
      // Another seed only where there is chance, and time for it.
      if (caughtBy.by === 'suite' || performance.now() - began + needsMs > WITHIN_MS)
        return { ...verdict, seconds: seconds(), said }
    }
  } catch (error) {
    return { caught: false, by: 'nothing', seconds: seconds(), said: (error as Error).message }
  } finally {
    workspace.remove()
  }
}

const minutesOf = (instrument: Instrument): number => (instrument.by === 'chaos' ? instrument.minutes + 0.5 : 1)

interface Command {
  args: string[]
  cwd: string
  env?: { [name: string]: string }
}

const VITEST = join(REPOSITORY, 'node_modules', 'vitest', 'vitest.mjs')

function commandOf(instrument: Instrument, folder: string, seed: number): Command {
  switch (instrument.by) {
    case 'chaos': {
      const asked = [
        '--product',
        folder,
        '--seed',
        String(seed),
        '--minutes',
        String(instrument.minutes),
        '--keep',
        join(folder, `kept-${seed}`),
      ]
      const entry = join(REPOSITORY, 'test', 'chaos', 'run.ts')
      return {
        args: ['--import', 'jiti/register', entry, ...asked, '--faults', instrument.faults.join(',')],
        cwd: REPOSITORY,
      }
    }
    case 'walk': {
      const { scenario, changes } = instrument
      const asked = JSON.stringify({ scenario, changes, seed, withinMs: 55_000 })
      return {
        args: [VITEST, 'run', '--config', 'test/mutants/walk.config.ts'],
        cwd: folder,
        env: { FORGEQ_MUTANT_WALK: asked },
      }
    }
    case 'suite':
      return { args: [VITEST, 'run', instrument.file, '-t', instrument.test], cwd: folder }
  }
}

function verdictOf(instrument: Instrument, { code, out }: Ran): Pick<Tried, 'caught' | 'by'> {
  if (instrument.by === 'suite')
    return { caught: code === 1 && /Tests.*failed/.test(out) && out.includes('AssertionError'), by: instrument.test }
  const broken = instrument.by === 'walk' ? brokenOnWalk(out) : brokenInChaos(out)
  const expected = broken.filter((invariant) => instrument.invariants.includes(invariant))
  return { caught: expected.length > 0, by: broken.join(', ') || 'nothing' }
}

function brokenOnWalk(out: string): string[] {
  const { invariant } = JSON.parse(verdictIn(out, /^WALKED (\{.*\})$/m)) as { invariant?: string }
  return invariant === undefined ? [] : [invariant]
}

function brokenInChaos(out: string): string[] {
  return (JSON.parse(verdictIn(out, /^(\{"passed".*\})$/m)) as { broken: string[] }).broken
}

/** @throws {Error} when it came to no verdict at all: then nothing is known of the mutant */
function verdictIn(out: string, line: RegExp): string {
  const found = line.exec(out)?.[1]
  if (found === undefined) throw new Error(`the instrument came to no verdict:\n${out.slice(-4_000)}`)
  return found
}

/** Asks it to end when the time is over: it has processes of its own to end first. */
function run({ args, cwd, env }: Command, withinMs: number, signal: AbortSignal): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, env: { ...process.env, NO_COLOR: '1', ...env } })
    let out = ''
    const end = () => child.kill('SIGTERM')
    const late = setTimeout(end, withinMs)
    signal.addEventListener('abort', end, { once: true })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(late)
      signal.removeEventListener('abort', end)
      resolve({ code, out })
    })
  })
}
