/**
 * Ends the program in order. On Ctrl-C, SIGTERM, a closed terminal, or when `stop` is called, `onStop` is called, then
 * the steps run, the newest first; then the process exits with `process.exitCode`. A signal at least a second after
 * the first one calls the steps' `hurry`. A terminal and npm both send one, so the same instant counts once.
 */
export function createStopper({ onStop }) {
  const steps = []
  let done
  let since = 0

  async function runSteps() {
    onStop()
    for (const { step } of steps.toReversed()) {
      await step().catch((error) => console.error(error.message))
    }
    process.exit()
  }

  function stop() {
    since ||= Date.now()
    done ??= runSteps()
    return done
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (!done) void stop()
      else if (Date.now() - since >= 1_000) for (const { hurry } of steps) hurry()
    })
  }

  // Nobody reads any more (`npm start | head`).
  process.stdout.on('error', () => void stop())

  return {
    stop,
    addStep: (step, hurry = () => {}) => steps.push({ step, hurry }),
    get stopping() {
      return done !== undefined
    },
  }
}
