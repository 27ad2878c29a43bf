import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/** The built product in a folder of its own: a build meanwhile changes nothing of it. */
export interface Product {
  main: string
  library: typeof import('../../src/index.ts')
  remove(): void
}

/** @throws when there is no build */
export async function copyProduct(from = REPOSITORY): Promise<Product> {
  if (!existsSync(join(from, 'dist', 'cli', 'main.js'))) throw new Error(`${from} has no build: npm run build`)
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-lifecycle-product-'))
  cpSync(join(from, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(from, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
  return {
    main: join(folder, 'dist', 'cli', 'main.js'),
    library: (await import(pathToFileURL(join(folder, 'dist', 'index.js')).href)) as Product['library'],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
