import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ForgeQError } from '../errors.ts'
import type { Io } from './io.ts'
import { UsageError } from './failure.ts'

const ROADS = 'when a shell changes the quotes, use --payload @file or --payload - (standard input)'

/**
 * The JSON text that `--payload` names: itself, `@file`, or `-` for standard input. UTF-8 with or without a byte order
 * mark; UTF-16 with one is decoded.
 * @throws {ForgeQError} `invalid_json`, saying what was received and which roads no shell can spoil
 */
export async function readPayload(given: string, io: Io): Promise<string> {
  if (given === '-') {
    if (io.stdin.isTTY) io.stderr.write('reading the payload from the terminal; Ctrl-D ends it\n')
    return checked(decode(await readAll(io.stdin), 'standard input'), 'standard input')
  }
  if (!given.startsWith('@')) return checked(given.replace(/^\uFEFF/, ''), '--payload')
  const name = given.slice(1)
  return checked(decode(await readBytes(resolve(io.cwd, name), name), name), name)
}

async function readBytes(path: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(code === 'ENOENT' ? `there is no file ${name}` : `${name} cannot be read (${code})`)
  }
}

async function readAll(stdin: Io['stdin']): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stdin) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return Buffer.concat(chunks)
}

/** Text of bytes in UTF-8, or in UTF-16 where a byte order mark says so. @throws {ForgeQError} `invalid_json` naming the encoding */
export function decode(bytes: Uint8Array, source: string): string {
  const encoding = encodingOf(bytes)
  if (encoding === 'utf-16') {
    throw new ForgeQError('invalid_json', `${source} looks like UTF-16 without a byte order mark; UTF-8 is expected`)
  }
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    throw new ForgeQError('invalid_json', `${source} is not valid ${encoding.toUpperCase()}`)
  }
}

function encodingOf(bytes: Uint8Array): string {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  // JSON begins with ASCII, whose other half is zero in UTF-16.
  return bytes.length >= 2 && (first === 0 || second === 0) ? 'utf-16' : 'utf-8'
}

function checked(text: string, source: string): string {
  if (text.trim() === '')
    throw new ForgeQError('invalid_json', `${source} is empty, which is not valid JSON`, { hint: ROADS })
  try {
    JSON.parse(text)
    return text
  } catch {
    const seen = text.length > 60 ? `${text.slice(0, 60)}…` : text
    throw new ForgeQError('invalid_json', `${source} is not valid JSON: ${seen}`, { hint: ROADS })
  }
}
