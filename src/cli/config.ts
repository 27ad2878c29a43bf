import type { Command } from 'commander'
import type { SettingGroup } from '../config/settings.ts'
import { does, leaf, type Cli } from './command.ts'
import { readSettings } from './settings.ts'
import { printTable, type Column } from './table.ts'

const ALL: SettingGroup[] = ['server', 'worker', 'metrics', 'loops', 'limits']

const COLUMNS: Column[] = [
  { title: 'KEY', cut: 'never' },
  { title: 'VALUE', cut: 'end' },
  { title: 'FROM', cut: 'never' },
]

export function configCommand(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'config',
    summary: 'what is in force and where each value came from; passwords are masked',
    examples: ['forgeq config', 'FORGEQ_PORT=9000 forgeq config --json'],
    settings: ALL,
    list: true,
  })
  return does(cli, command, async ({ io, out }) => {
    const { inForce, file } = await readSettings(io, command)
    if (out.json)
      return out.printJsonList(
        inForce.map(({ key, value, origin, name }) => JSON.stringify({ key, value, origin, name })),
      )
    await printTable(
      out,
      COLUMNS,
      inForce.map(({ key, value, origin, name }) => [key, value ?? '-', name ?? origin]),
      io.stdout.columns,
    )
    out.hint(file === undefined ? '\n  no forgeq.config.ts, .js or .json in this folder' : `\n  file: ${file}`)
  })
}
