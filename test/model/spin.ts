import { execFile, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Settings of one run, given to the checker as environment: budgets of faults, and the fence that is left out. */
export type Knobs = Readonly<Record<string, number>>

export interface Checked {
  /** The property that is violated; undefined when everything holds. */
  violated: string | undefined
  states: number
  seconds: number
  /** Steps of the model that this run never took. */
  unreached: string[]
}

const HERE = fileURLToPath(new URL('.', import.meta.url))
/** A machine with two cores and little memory is enough. */
const AT_ONCE = 2
/** The longest form takes as long; a checker that nobody waits for any more must not stay behind. */
const MOST_MS = process.env['MODEL'] === 'long' ? 30 * 60_000 : 280_000

/** What is missing on this machine to check the model; empty when nothing is. */
export function missingTools(): string[] {
  return ['spin', 'gcc'].filter((tool) => spawnSync(tool, [tool === 'spin' ? '-V' : '--version']).status !== 0)
}

/** The numbers of the fences, by name. */
export function fences(): ReadonlyMap<string, number> {
  const text = readFileSync(join(HERE, 'fences.pml'), 'utf8')
  return new Map([...text.matchAll(/^#define (\w+) +(\d+)/gm)].map(([, name, number]) => [name!, Number(number)]))
}

/** A model compiled into a checker, in a folder of its own. */
export class Checker {
  readonly #folder: string
  #runs = 0

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** @param flags for gcc; `-DSAFETY` where no liveness is asked for */
  static async compile(model: string, flags: readonly string[]): Promise<Checker> {
    const folder = mkdtempSync(join(tmpdir(), 'forgeq-model-'))
    for (const file of readdirSync(HERE)) if (file.endsWith('.pml')) copyFileSync(join(HERE, file), join(folder, file))
    const workers = flags.filter((flag) => /^-D(WORKERS|RECOVERERS)=/.test(flag))
    await run('spin', ['-a', ...workers, model], { cwd: folder })
    await run('gcc', ['-O2', ...flags, '-o', 'pan', 'pan.c'], { cwd: folder })
    return new Checker(folder)
  }

  /** Walks all states. `claim`: of a model with liveness, the formula to check, under weak fairness. */
  async check(knobs: Knobs, claim?: string): Promise<Checked> {
    // A folder for each run: a violation leaves its trail in it.
    const cwd = join(this.#folder, String(this.#runs++))
    mkdirSync(cwd)
    const output = await run('../pan', ['-m200000', '-w20', ...(claim ? ['-a', '-f', '-N', claim] : [])], {
      cwd,
      env: Object.fromEntries(Object.entries(knobs).map(([name, value]) => [name, String(value)])),
    })
    const errors = /errors: (\d+)/.exec(output)?.[1]
    // Memory or depth that did not suffice: nothing is known then.
    if (errors === undefined || /max search depth too small|out of memory|Interrupted/.test(output)) {
      throw new Error(`the states were not walked to the end:\n${output}`)
    }
    const violated =
      /assertion violated \(*(\w+)\|\|/.exec(output)?.[1] ?? (/acceptance cycle/.test(output) ? claim : undefined)
    if ((errors !== '0') !== (violated !== undefined)) throw new Error(`an error of another kind:\n${output}`)
    return {
      violated,
      states: Number(/(\S+) states, stored/.exec(output)?.[1] ?? 0),
      seconds: Number(/elapsed time (\S+)/.exec(output)?.[1] ?? 0),
      unreached: [...output.matchAll(/^\t\S*?(\w+\.pml:\d+), state \d+, "(.*)"$/gm)].map(
        ([, place, step]) => `${place} ${step}`,
      ),
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

let running = 0
const waiting: (() => void)[] = []

/** Runs a program, few at a time; answers with what it printed. A checker that finds a violation exits with 0 too. */
async function run(
  program: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env?: Record<string, string> },
): Promise<string> {
  while (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve))
  running++
  try {
    return await new Promise((resolve, reject) => {
      const options = { cwd, env: { PATH: process.env['PATH'], ...env }, timeout: MOST_MS, maxBuffer: 2 ** 26 }
      execFile(program, args, options, (error, stdout, stderr) =>
        error
          ? reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`))
          : resolve(stdout),
      )
    })
  } finally {
    running--
    waiting.shift()?.()
  }
}
