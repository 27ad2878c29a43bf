import { mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Makes in `folder` the links that PostgreSQL's libraries ask each other for (`libpq.so.5` for `libpq.so.5.18`), by their
 * names alone: the package's own script for this is skipped by newer package managers and its list has had gaps.
 */
export function linkLibraries(libraries: string, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const present = new Set(readdirSync(libraries))
  for (const file of present)
    for (const name of shorterNames(file))
      if (!present.has(name)) link(folder === libraries ? file : join(libraries, file), join(folder, name))
}

/** `libpq.so.5.18` is also asked for as `libpq.so.5`, `libpq.5.18.dylib` as `libpq.5.dylib`; both without a version too. */
export function shorterNames(file: string): string[] {
  const linux = /^(lib.+\.so)\.(\d+(?:\.\d+)*)$/.exec(file)
  const macos = /^(lib[^.]+)\.(\d+(?:\.\d+)*)\.dylib$/.exec(file)
  const [, stem, version] = linux ?? macos ?? []
  if (!stem || !version) return []
  const numbers = version.split('.')
  const shorter = numbers.map((_, length) => numbers.slice(0, length).join('.'))
  return shorter.map((v) => (linux ? (v ? `${stem}.${v}` : stem) : v ? `${stem}.${v}.dylib` : `${stem}.dylib`))
}

function link(target: string, path: string): void {
  try {
    symlinkSync(target, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (readlinkSync(path) === target) return
    rmSync(path) // of an earlier place of the package
    symlinkSync(target, path)
  }
}
