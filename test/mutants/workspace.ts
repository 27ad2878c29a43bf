import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Edit } from './mutant.ts'

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

const BUILT_FROM = ['src', 'migrations', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json']
const TESTED_BY = ['test', 'vitest.config.ts']

/** A copy of the product in a folder of its own, where it can be changed without a trace in the repository. */
export interface Workspace {
  folder: string
  /** Makes `dist/`. @throws {Error} when the changed sources do not compile */
  build(): void
  remove(): void
}

/** `withTests`: what the suite needs is there too. @throws {Error} for an edit that does not fit */
export function makeWorkspace(edits: readonly Edit[], { withTests = false } = {}): Workspace {
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-mutant-'))
  try {
    for (const name of [...BUILT_FROM, ...(withTests ? TESTED_BY : [])])
      cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true })
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
    for (const edit of edits) {
      const path = join(folder, edit.file)
      writeFileSync(path, edited(readFileSync(path, 'utf8'), edit))
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  return {
    folder,
    build() {
      const { status, stdout } = spawnSync(process.execPath, ['scripts/build.js'], { cwd: folder, encoding: 'utf8' })
      if (status !== 0) throw new Error(`the mutant does not build:\n${stdout}`)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** @throws {Error} when what is to be replaced does not stand there exactly once */
export function edited(text: string, { file, find, replace }: Edit): string {
  const found = text.split(find).length - 1
  if (found !== 1) throw new Error(`${file} holds this ${found} times, not once: ${find}`)
  return text.replace(find, () => replace)
}
