/**
 * What the long runs that people start have in common: reads the options, tells how it is used when it was asked or not
 * understood, and plays. Resolves to the exit code, 2 for wrong usage.
 */
export async function asCommand<Options>(command: {
  /** Throws an Error that says what is wrong. */
  read(argv: string[]): Options | 'help'
  usage: string
  play(options: Options): Promise<number>
}): Promise<number> {
  let options: Options | 'help'
  try {
    options = command.read(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${command.usage}\n`)
    return 2
  }
  if (options === 'help') {
    process.stdout.write(`${command.usage}\n`)
    return 0
  }
  return command.play(options)
}
