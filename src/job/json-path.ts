const IDENTIFIER = /^[A-Za-z_$][\w$]*$/

/** A path is for people: keys and depth that nobody would read are left out of its middle. */
const MAX_KEY = 64
const MAX_STEPS = 32

/** The place of a value inside JSON as text: `a.b[3]`, `["a.b"].c`; '' for the whole. */
export function formatPath(steps: readonly (string | number)[]): string {
  if (steps.length > MAX_STEPS) {
    return `${formatPath(steps.slice(0, MAX_STEPS / 2))}…${formatPath(steps.slice(-MAX_STEPS / 2))}`
  }
  return steps.reduce<string>((path, step) => joinPath(path, formatStep(step)), '')
}

/** The path of something inside the value at `base`: `payload` and `a[1]` give `payload.a[1]`. */
export function joinPath(base: string, path: string): string {
  return base === '' || path === '' || path.startsWith('[') ? base + path : `${base}.${path}`
}

function formatStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`
  const key = step.length > MAX_KEY ? `${step.slice(0, MAX_KEY)}…` : step
  return IDENTIFIER.test(key) ? key : `[${JSON.stringify(key)}]`
}
