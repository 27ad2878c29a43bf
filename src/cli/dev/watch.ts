import { basename, resolve } from 'node:path'
import type { Config } from '../../config.ts'

const SETTLE_MS = 100

/** Calls `changed` once after each burst of changes in the handlers' folder, also when the folder comes only later. */
export async function watchHandlers({ handlers }: Config, changed: () => void): Promise<{ close(): Promise<void> }> {
  const { watch } = await import('chokidar')
  const folder = resolve(handlers)
  const watcher = watch(folder, {
    ignoreInitial: true,
    // Editors write their own files beside the one they save.
    ignored: (path) => path !== folder && /^(\.|node_modules$)|~$|\.sw[a-z]$/.test(basename(path)),
  })
  let timer: NodeJS.Timeout | undefined
  watcher.on('all', () => {
    clearTimeout(timer)
    timer = setTimeout(changed, SETTLE_MS)
  })
  await new Promise<void>((done) => {
    watcher.once('ready', done)
  })
  return {
    close: async () => {
      clearTimeout(timer)
      await watcher.close()
    },
  }
}
