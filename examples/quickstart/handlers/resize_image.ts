import { randomUUID } from 'node:crypto'
import { mkdir, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { basename, extname, isAbsolute, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { permanentError } from '../permanent-error.ts'

interface Payload {
  picture: string
  width?: number
}

interface Job {
  signal: AbortSignal
  log: { info(message: string): void }
}

const PICTURES = fileURLToPath(new URL('../input/pictures', import.meta.url))
const THUMBNAILS = fileURLToPath(new URL('../out/thumbnails', import.meta.url))

/** Makes a WebP thumbnail, `width` pixels wide (320 unless told), of a picture in `input/pictures`. */
export default async function resizeImage(payload: Payload, job: Job) {
  const { picture, width = 320 } = payload ?? {}
  if (typeof picture !== 'string' || picture === '') throw permanentError('the payload needs a "picture": a file name')
  if (!Number.isInteger(width) || width < 1 || width > 2000)
    throw permanentError('"width" is a whole number, 1 to 2000')

  const source = await insidePictures(picture)
  const { data, info } = await thumbnail(source, width).catch((error: unknown) => {
    throw permanentError(`${picture} is not a picture that can be read: ${messageOf(error)}`, error)
  })
  job.signal.throwIfAborted()

  await mkdir(THUMBNAILS, { recursive: true })
  const file = join(THUMBNAILS, `${basename(source, extname(source))}-${width}.webp`)
  await replaceFile(file, data)
  job.log.info(`${picture} → ${basename(file)}, ${info.width} × ${info.height}, ${data.length} bytes`)
  return { file: `out/thumbnails/${basename(file)}`, width: info.width, height: info.height, bytes: data.length }
}

const thumbnail = (source: string, width: number) =>
  sharp(source).autoOrient().resize({ width }).webp({ quality: 75 }).toBuffer({ resolveWithObject: true })

/** The real path of a picture. Whatever leads out of the folder is refused, a symbolic link too. */
async function insidePictures(picture: string): Promise<string> {
  // Looked at first, so that the answer does not tell whether a file elsewhere exists.
  const wanted = isAbsolute(picture) ? picture : join(PICTURES, picture)
  if (!contains(PICTURES, wanted)) throw permanentError(`${picture} is outside of input/pictures`)
  const found = await realpath(wanted).catch((error: unknown) => {
    throw permanentError(`input/pictures has no ${picture}`, error)
  })
  if (!contains(await realpath(PICTURES), found)) throw permanentError(`${picture} is outside of input/pictures`)
  return found
}

function contains(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** A job may run twice, even at the same moment: readers see the old file or the new one, never half of one. */
async function replaceFile(file: string, data: Buffer): Promise<void> {
  const draft = `${file}.${randomUUID()}.tmp`
  try {
    await writeFile(draft, data)
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
