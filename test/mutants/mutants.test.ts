import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FAULTS } from '../chaos/faults/index.ts'
import { INVARIANTS } from '../chaos/checker/verdict.ts'
import { INVARIANTS as WALKED } from '../interleavings/ledger.ts'
import { SCENARIOS } from '../interleavings/scenarios.ts'
import type { Edit, Mutant } from './mutant.ts'
import { MUTANTS } from './mutants.ts'
import { edited, makeWorkspace, REPOSITORY } from './workspace.ts'

describe('of each mutant', () => {
  test.each(MUTANTS)('the fence stands where it is left out: $name', ({ edits }) => {
    for (const [file, text] of filesAfter(edits, new Map()))
      expect(text).not.toBe(readFileSync(join(REPOSITORY, file), 'utf8'))
  })

  test.each(MUTANTS)('the instrument is there: $name', ({ caughtBy }) => {
    if (caughtBy.by === 'chaos') {
      expect(FAULTS.map(({ name }) => name)).toEqual(expect.arrayContaining([...caughtBy.faults]))
      expect(Object.keys(INVARIANTS)).toEqual(expect.arrayContaining([...caughtBy.invariants]))
    } else if (caughtBy.by === 'walk') {
      expect(SCENARIOS).toHaveProperty([caughtBy.scenario])
      expect(Object.keys(WALKED)).toEqual(expect.arrayContaining([...caughtBy.invariants]))
    } else expect(readFileSync(join(REPOSITORY, caughtBy.file), 'utf8')).toContain(caughtBy.test)
  })
})

test('names are unlike each other', () => {
  const names = MUTANTS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

/** As few groups as it takes so that within each the edits of all do not meet. */
function groupsOf(mutants: readonly Mutant[]): Edit[][] {
  const groups: { edits: Edit[]; files: Map<string, string> }[] = []
  for (const { edits } of mutants) {
    const group = groups.find(({ files }) => fits(edits, new Map(files)))
    if (!group) groups.push({ edits: [...edits], files: filesAfter(edits, new Map()) })
    else {
      group.edits.push(...edits)
      filesAfter(edits, group.files)
    }
  }
  return groups.map(({ edits }) => edits)
}

function filesAfter(edits: readonly Edit[], files: Map<string, string>): Map<string, string> {
  for (const edit of edits) {
    const text = files.get(edit.file) ?? readFileSync(join(REPOSITORY, edit.file), 'utf8')
    files.set(edit.file, edited(text, edit))
  }
  return files
}

function fits(edits: readonly Edit[], files: Map<string, string>): boolean {
  try {
    filesAfter(edits, files)
    return true
  } catch {
    return false
  }
}

test('all mutants build, those whose changes do not meet together', { timeout: 240_000 }, () => {
  for (const edits of groupsOf(MUTANTS)) {
    const workspace = makeWorkspace(edits)
    try {
      expect(() => workspace.build()).not.toThrow()
      expect(existsSync(join(workspace.folder, 'dist', 'cli', 'main.js'))).toBe(true)
    } finally {
      workspace.remove()
    }
  }
})

test('an edit that does not fit exactly once is refused, and nothing is left behind', () => {
  const edit = { file: 'a', find: 'one', replace: 'two' }
  expect(edited('one', edit)).toBe('two')
  expect(() => edited('one one', edit)).toThrow('2 times')
  expect(() => edited('none of it', { ...edit, find: 'x' })).toThrow('0 times')
})
