import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Happening, HistoryEvent } from './history.ts'

/** CLOCK_MONOTONIC, which all processes of a machine share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6

export type Recorder = (happening: Happening) => void

/**
 * Writes what `by` sees to a file of its own in `folder`, each line in one call and before this returns: what a process
 * has said survives its death in the next instant.
 */
export function openRecorder(folder: string, by: string): Recorder {
  const fd = openSync(fileOf(folder, by), 'a')
  return (happening) => void writeSync(fd, `${JSON.stringify({ at: now(), by, ...happening })}\n`)
}

export const fileOf = (folder: string, by: string): string => join(folder, `${by}.jsonl`)

/** All events of all processes, by time. */
export function readHistory(folder: string): HistoryEvent[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readEvents(join(folder, name)))
    .sort((a, b) => a.at - b.at)
}

/** The events of one file; a last line that its writer was killed in is none. */
export function readEvents(path: string): HistoryEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  lines.pop()
  return lines.map((line) => JSON.parse(line) as HistoryEvent)
}
