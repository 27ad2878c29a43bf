// Builds dist/: the migrations as a module (a bundler breaks files that are read at run time), then the types and the code.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)

const files = readdirSync('migrations')
  .filter((name) => name.endsWith('.sql'))
  .sort()
const entries = files.map((name) => {
  const sql = readFileSync(join('migrations', name), 'utf8')
  return `  { version: ${Number(name.slice(0, 4))}, name: ${JSON.stringify(name.slice(5, -4))}, sql: ${JSON.stringify(sql)} },`
})
const module = `// Made from migrations/ by scripts/build.js.
export const MIGRATIONS: readonly { version: number; name: string; sql: string }[] = [\n${entries.join('\n')}\n]\n`
mkdirSync('src/store/generated', { recursive: true })
writeFileSync('src/store/generated/migrations.ts', module)

const require = createRequire(import.meta.url)
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
chmodSync('dist/cli/main.js', 0o755)
