import type { Connection, Database } from '../../src/store/database.ts'
import type { Statement } from '../../src/store/sql.ts'
import { rawSql } from './database.ts'

export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  'Rows Removed by Join Filter'?: number
  'Shared Hit Blocks'?: number
  'Shared Read Blocks'?: number
  Plans?: PlanNode[]
}

/** Every node of a plan, the root first. */
export const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)]

/** The nodes that read a table of the product whose name begins so (`jobs`, `finished_jobs`). */
export const readsOf = (plan: PlanNode, table: RegExp): PlanNode[] =>
  nodesOf(plan).filter((node) => node['Node Type'].endsWith('Scan') && table.test(node['Relation Name'] ?? ''))

/** Rows of such tables that an analysed plan has read, also those that a filter then left out. */
export const rowsOf = (plan: PlanNode, table: RegExp): number =>
  readsOf(plan, table).reduce(
    (sum, node) =>
      sum +
      ((node['Actual Rows'] ?? 0) +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Index Recheck'] ?? 0)) *
        (node['Actual Loops'] ?? 1),
    0,
  )

/** Pairs of rows that an analysed plan has compared in vain: many where a join looks at all of one side for each of the other. */
export const pairsOf = (plan: PlanNode): number =>
  nodesOf(plan).reduce((sum, node) => sum + (node['Rows Removed by Join Filter'] ?? 0) * (node['Actual Loops'] ?? 1), 0)

/** Pages that an analysed plan has touched, dead entries of indexes and all that it wrote included. */
export const buffersOf = (plan: PlanNode): number =>
  (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)

/** The statement that a function of the store sends, without sending it. */
export async function statementOf(call: (db: Database) => Promise<unknown>): Promise<Statement> {
  let sent: Statement | undefined
  const recorder: Database = {
    query(statement) {
      sent = statement
      return Promise.resolve([])
    },
  }
  // What its rows would be does not matter here.
  await call(recorder).catch((error: unknown) => {
    if (!sent) throw error
  })
  if (!sent) throw new Error('no statement was sent')
  return sent
}

const literal = (value: unknown): string => {
  if (value === null || value === undefined) return 'null'
  const text = Array.isArray(value)
    ? `{${value.map((one) => `"${String(one).replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`
    : typeof value === 'string'
      ? value
      : JSON.stringify(value)
  return `'${text.replaceAll("'", "''")}'`
}

/** A statement under the name `name`, as the driver prepares it: its generic plan is made once and kept. */
export const prepare = (connection: Connection, name: string, { text }: Statement) =>
  rawSql(connection, `prepare ${name} as ${text}`)

export async function explainPrepared(
  connection: Connection,
  name: string,
  values: readonly unknown[],
  { analyze = false }: { analyze?: boolean } = {},
): Promise<PlanNode> {
  const given = values.length > 0 ? `(${values.map(literal).join(', ')})` : ''
  const [row] = await rawSql<{ 'QUERY PLAN': string }>(
    connection,
    `explain (format json${analyze ? ', analyze, buffers, timing off' : ''}) execute ${name}${given}`,
  )
  return (JSON.parse(row!['QUERY PLAN']) as [{ Plan: PlanNode }])[0].Plan
}
