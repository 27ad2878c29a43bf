import { between, oneOf, type Random, seeded, shuffled } from '../chaos/random.ts'

export const COMMANDS = ['server', 'worker', 'dev'] as const
export type Command = (typeof COMMANDS)[number]

export const KINDS = [
  'told once',
  'told twice',
  'interrupted, then told',
  'told while it starts',
  'told while it migrates',
  'told with the database away',
  'told as the database goes',
  'piped into head',
  'output closed',
  'parent gone',
] as const
export type Kind = (typeof KINDS)[number]

export interface Told {
  signal: 'SIGTERM' | 'SIGINT'
  /** Since the first. */
  afterMs: number
}

/** Where its output goes. */
export type Output =
  | 'read'
  /** To `head -n`, which then ends. */
  | { head: number; with: 'stdout' | 'both' }
  | 'stdout closed'
  | 'both closed'
  /** Its reader goes away shortly before the signal. */
  | 'reader gone'

export interface DatabaseFate {
  /** In relation to the first signal; undefined: before the start. */
  stopsAtMs: number | undefined
  how: 'fast' | 'immediate' | 'kill'
  /** In relation to the first signal; undefined: when the process has ended. */
  backAtMs: number | undefined
}

export interface Work {
  /** Jobs of up to so many milliseconds. */
  short: number
  shortMs: number
  /** Much longer than the grace period: they end when they are told, or do not. */
  heeding: number
  deaf: number
  /** The same as programs of their own. */
  programs: number
  deafPrograms: number
}

export interface Scenario {
  number: number
  kind: Kind
  command: Command
  /** From the phase's beginning to the first signal. */
  atMs: number
  told: Told[]
  /** As a terminal does: the signal goes to every process of the group. */
  toGroup: boolean
  output: Output
  database: DatabaseFate | undefined
  /** `dev` itself is killed, and only what it has started is left. */
  devKilled: boolean
  /** The migration is made to wait at this point when the signal comes, and for so long after it; undefined: to the end. */
  migrationHeld: { at: 'first' | 'between'; forMs: number | undefined } | undefined
  /** Somebody has begun a request to the server and does not end it. */
  slowCaller: boolean
  graceMs: number
  work: Work
}

/** A signal that comes so long after the first is a second one, however busy the machine. */
const SURELY_SECOND_MS = 1_200
/** So soon after it, it is none. */
const SURELY_SAME_MS = 700

/** `times` scenarios: every kind with every command before any comes again, and every kind among the first ten. */
export function scenariosOf(seed: number, times: number): Scenario[] {
  const random = seeded(seed, 'deck')
  const scenarios: Scenario[] = []
  while (scenarios.length < times) {
    for (const [kind, command] of deck(random)) {
      const number = scenarios.length + 1
      if (number <= times) scenarios.push(scenarioOf(seeded(seed, `scenario ${number}`), { number, kind, command }))
    }
  }
  return scenarios
}

function deck(random: Random): [Kind, Command][] {
  const commands = new Map(KINDS.map((kind) => [kind, shuffled(random, COMMANDS)]))
  return COMMANDS.flatMap((_, round) =>
    shuffled(random, KINDS).map((kind): [Kind, Command] => [kind, commands.get(kind)![round]!]),
  )
}

function scenarioOf(
  random: Random,
  { number, kind, command }: Pick<Scenario, 'number' | 'kind' | 'command'>,
): Scenario {
  const chance = (share: number) => random() < share
  const told = toldOf(random, kind)
  const second = told.some(({ afterMs }) => afterMs >= SURELY_SECOND_MS)
  const devKilled = kind === 'parent gone' && command === 'dev' && chance(0.5)
  return {
    number,
    kind,
    command,
    atMs: atMsOf(random, kind),
    told: devKilled ? [] : told,
    toGroup: command === 'dev' && kind !== 'parent gone' && chance(0.4),
    output: outputOf(random, kind, command),
    database: fateOf(random, kind),
    devKilled,
    migrationHeld: kind === 'told while it migrates' ? heldOf(random) : undefined,
    slowCaller: second || chance(0.2),
    // A second signal finds something to end.
    graceMs: second ? between(random, 3_000, 4_000) : between(random, 300, 2_000),
    work: {
      short: between(random, 10, 60),
      shortMs: oneOf(random, [20, 100, 300]),
      heeding: between(random, 0, 2),
      deaf: second ? between(random, 1, 2) : oneOf(random, [0, 0, 0, 1]),
      programs: oneOf(random, [0, 0, 1]),
      deafPrograms: oneOf(random, [0, 0, 0, 1]),
    },
  }
}

function toldOf(random: Random, kind: Kind): Told[] {
  const sameMs = () => between(random, 0, SURELY_SAME_MS)
  const laterMs = () => between(random, SURELY_SECOND_MS, SURELY_SECOND_MS + 1_000)
  const afterMs = () => (random() < 0.4 ? sameMs() : laterMs())
  const once: Told[] = [{ signal: random() < 0.8 ? 'SIGTERM' : 'SIGINT', afterMs: 0 }]
  switch (kind) {
    case 'told once':
      return once
    case 'told twice':
      return [
        { signal: 'SIGTERM', afterMs: 0 },
        { signal: 'SIGTERM', afterMs: afterMs() },
      ]
    case 'interrupted, then told':
      return [
        { signal: 'SIGINT', afterMs: 0 },
        { signal: 'SIGTERM', afterMs: afterMs() },
      ]
    case 'told while it migrates':
      return random() < 0.5 ? once : [...once, { signal: 'SIGTERM', afterMs: afterMs() }]
    default:
      return random() < 0.75 ? once : [...once, { signal: 'SIGTERM', afterMs: sameMs() }]
  }
}

function atMsOf(random: Random, kind: Kind): number {
  if (kind === 'told while it starts') return between(random, 0, 1_500)
  if (kind === 'told while it migrates') return between(random, 0, 250)
  return between(random, 0, 800)
}

function outputOf(random: Random, kind: Kind, command: Command): Output {
  if (kind === 'piped into head')
    return { head: between(random, 1, 4), with: command === 'dev' && random() < 0.3 ? 'stdout' : 'both' }
  if (kind === 'output closed') return oneOf(random, ['stdout closed', 'both closed', 'reader gone'])
  return 'read'
}

function fateOf(random: Random, kind: Kind): DatabaseFate | undefined {
  const how = oneOf(random, ['fast', 'immediate', 'kill'] as const)
  const backAtMs = random() < 0.3 ? between(random, 0, 2_000) : undefined
  if (kind === 'told with the database away') {
    if (random() < 0.4) return { stopsAtMs: undefined, how, backAtMs }
    return { stopsAtMs: -between(random, 200, 3_000), how, backAtMs }
  }
  if (kind === 'told while it migrates' && random() < 0.3) return { stopsAtMs: between(random, -40, 40), how, backAtMs }
  if (kind === 'told as the database goes') return { stopsAtMs: between(random, -60, 120), how, backAtMs }
  return undefined
}

function heldOf(random: Random): Scenario['migrationHeld'] {
  const at = oneOf(random, ['first', 'between', undefined] as const)
  return at && { at, forMs: random() < 0.5 ? undefined : between(random, 0, 3_000) }
}

/** In one line, for whoever reads what failed. */
export function inWords({
  number,
  kind,
  command,
  told,
  toGroup,
  output,
  database,
  devKilled,
  graceMs,
  atMs,
  migrationHeld,
}: Scenario): string {
  const signals = told
    .map(({ signal, afterMs }) => (afterMs === 0 ? signal : `${signal} after ${afterMs} ms`))
    .join(', ')
  const where = typeof output === 'string' ? output : `${output.with} | head -n ${output.head}`
  return [
    `#${number} ${command} ${kind}: ${devKilled ? 'dev is killed' : signals}${toGroup ? ' to the group' : ''} at ${atMs} ms`,
    `grace ${graceMs} ms`,
    ...(where === 'read' ? [] : [where]),
    ...(migrationHeld ? [`the migration is held (${migrationHeld.at}) for ${migrationHeld.forMs ?? 'all'} ms`] : []),
    ...(database
      ? [
          `database stops (${database.how}) at ${database.stopsAtMs ?? 'the start'}, back at ${database.backAtMs ?? 'the end'}`,
        ]
      : []),
  ].join('; ')
}
