import type { Command } from 'commander'
import { branch, does, leaf, type Cli } from './command.ts'
import { withApp } from './session.ts'
import { printTable } from './table.ts'

export const migrateCommand = (cli: Cli): Command =>
  branch(cli, 'migrate', "look after the database's schema", [up(cli), status(cli), sql(cli)])

function up(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'up',
    summary: 'bring the schema up to date; safe when several start at once',
    examples: ['forgeq migrate up --database-url postgres://forgeq@db.example.com/app'],
  })
  return does(cli, command, async (invocation) => {
    const { out } = invocation
    await withApp(
      invocation,
      async ({ migrations, database }) => {
        const applied = await migrations.up()
        if (out.json) return out.printJson(JSON.stringify({ applied }))
        out.note(database.description)
        out.print(applied.length === 0 ? 'the schema is up to date' : `applied ${applied.join(', ')}`)
      },
      'skip',
    )
  })
}

function status(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'status',
    summary: 'which migrations are applied',
    examples: ['forgeq migrate status'],
    list: true,
  })
  return does(cli, command, async (invocation) => {
    const { out, io } = invocation
    await withApp(
      invocation,
      async ({ migrations }) => {
        const all = await migrations.status()
        const views = all.map(({ version, name, appliedAt }) =>
          JSON.stringify({ version, name, applied_at: appliedAt }),
        )
        if (out.json) return out.printJsonList(views)
        const columns = ['VERSION', 'NAME', 'APPLIED'].map((title) => ({ title, cut: 'never' as const }))
        await printTable(
          out,
          columns,
          all.map(({ version, name, appliedAt }) => [String(version), name, appliedAt ?? 'no']),
          io.stdout.columns,
        )
        if (all.some(({ appliedAt }) => appliedAt === undefined)) out.hint('  apply with  forgeq migrate up')
      },
      'skip',
    )
  })
}

function sql(cli: Cli): Command {
  const command = leaf(cli, {
    name: 'sql',
    summary: 'print the SQL of what is not applied yet, for those who run it themselves',
    examples: ['forgeq migrate sql > forgeq.sql'],
  })
  return does(cli, command, async (invocation) => {
    const { out } = invocation
    await withApp(
      invocation,
      async ({ migrations }) => {
        const sql = await migrations.sql()
        if (out.json) out.printJson(JSON.stringify({ sql }))
        else if (sql === '') out.note('the schema is up to date: there is nothing to apply')
        else out.print(sql)
      },
      'skip',
    )
  })
}
