import { expect, test } from 'vitest'
import { createOutput } from '../../src/cli/output.ts'
import { printTable, type Column } from '../../src/cli/table.ts'

const COLUMNS: Column[] = [
  { title: 'ID', cut: 'middle' },
  { title: 'NAME', cut: 'never' },
  { title: 'NOTE', cut: 'end' },
]
const ID = '01978f6e-0000-7000-8000-00000000abcd'

async function printed(rows: string[][], columns?: number): Promise<string[]> {
  let text = ''
  const stdout = { isTTY: columns !== undefined, write: (part: string) => (text += part) }
  const out = createOutput({ stdout, stderr: stdout, env: { NO_COLOR: '1' } }, {})
  await printTable(out, COLUMNS, rows, columns)
  return text.trimEnd().split('\n')
}

test('takes the room from the widest column that may give it', async () => {
  const [head, row] = await printed([[ID, 'a_name_that_stays', 'n'.repeat(200)]], 80)
  expect(head).toMatch(/^ID +NAME +NOTE$/)
  expect(row!.length).toBeLessThanOrEqual(80)
  expect(row).toMatch(/^0197.*…?.*abcd {2}a_name_that_stays {2}n+…$/)
})

test('cuts nothing where everything fits', async () => {
  const [, row] = await printed([[ID, 'name', 'note']], 80)
  expect(row).toBe(`${ID}  name  note`)
})

test('never cuts a name, even where nothing fits', async () => {
  const name = 'x'.repeat(100)
  const [, row] = await printed([[ID, name, 'note']], 40)
  expect(row).toContain(name)
})

test('counts wide characters as two columns and cuts between whole ones', async () => {
  const [, row] = await printed([[ID, 'n', '漢字🙂'.repeat(30)]], 60)
  expect(row).not.toMatch(/[\ud800-\udbff]…/)
  const columns = Array.from(row!).reduce(
    (sum, character) => sum + (character > '\u1100' && character !== '…' ? 2 : 1),
    0,
  )
  expect(columns).toBeLessThanOrEqual(60)
})

test('is tab-separated and whole in a pipe, with a tab or line feed of a cell made visible', async () => {
  expect(await printed([[ID, 'n', `a\tb\nc ${'x'.repeat(300)}`]])).toEqual([`${ID}\tn\ta\\tb\\nc ${'x'.repeat(300)}`])
})
