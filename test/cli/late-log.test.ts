import { expect, test } from 'vitest'
import { createLateLog } from '../../src/cli/late-log.ts'
import { createLog, type LogOptions } from '../../src/log.ts'

function lateLog(level: LogOptions['level']) {
  const state = { made: 0, lines: [] as string[] }
  const late = createLateLog(level, async () => {
    state.made += 1
    return createLog({ level, format: 'json', stream: { write: (line) => state.lines.push(line) } })
  })
  return { ...late, state }
}

test('makes no logger for lines below its level', async () => {
  for (const level of ['warn', 'silent'] as const) {
    const { log, written, state } = lateLog(level)
    log.debug({ event: 'embedded_start' }, 'embedded PostgreSQL')
    log.info('hello')
    if (level === 'silent') log.error('hello')
    await written()
    expect(state).toEqual({ made: 0, lines: [] })
  }
})

test('makes one logger and writes every line in its order before it is done', async () => {
  const { log, written, state } = lateLog('debug')
  log.debug({ data_dir: '.forgeq' }, 'first')
  log.warn('second')
  await written()
  log.error({ error: new Error('third') }, 'third')
  await written()
  expect(state.made).toBe(1)
  expect(state.lines.map((line) => (JSON.parse(line) as { level: string; msg: string }).msg)).toEqual([
    'first',
    'second',
    'third',
  ])
})
