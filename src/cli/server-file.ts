import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Config } from '../config.ts'

/** Where the server of this folder listens, for the commands beside it. */
export interface ServerFile {
  url: string
  pid: number
}

const pathOf = ({ dataDir }: Config): string => join(resolve(dataDir), 'server.json')

/**
 * Writes `.forgeq/server.json`, unless another server that lives has. Only a convenience: a folder that cannot be
 * written is left alone.
 */
export function writeServerFile(config: Config, file: ServerFile): void {
  if (serverOf(config)) return
  try {
    const folder = resolve(config.dataDir)
    if (!existsSync(folder)) {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeFileSync(join(folder, '.gitignore'), '*\n')
    }
    writeFileSync(pathOf(config), `${JSON.stringify(file)}\n`, { mode: 0o600 })
  } catch {
    // Read-only folders are usual in containers.
  }
}

/** Takes it away again, unless another server has written its own meanwhile. */
export function removeServerFile(config: Config, pid: number): void {
  if (read(config)?.pid !== pid) return
  rmSync(pathOf(config), { force: true })
}

/** The server of this folder, if one lives. */
export function serverOf(config: Config): ServerFile | undefined {
  const file = read(config)
  return file && isAlive(file.pid) ? file : undefined
}

function read(config: Config): ServerFile | undefined {
  try {
    const { url, pid } = JSON.parse(readFileSync(pathOf(config), 'utf8')) as Partial<ServerFile>
    return typeof url === 'string' && typeof pid === 'number' ? { url, pid } : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
