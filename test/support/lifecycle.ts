import { describe, expect, test } from 'vitest'

/** A long-lived part as this suite sees it. */
export interface Part {
  start(): unknown
  stop(): Promise<unknown>
  /** True when it does its work now, once: each sign of a second life of the same part makes it false. */
  works(): Promise<boolean>
}

/** What holds for every long-lived part, however its start and stop are called. */
export function describeLifecycle(name: string, make: () => Part | Promise<Part>): void {
  describe(`the life of ${name}`, () => {
    test('goes from start to stop', async () => {
      const part = await make()
      await part.start()
      expect(await part.works()).toBe(true)
      await part.stop()
      expect(await part.works()).toBe(false)
    })

    test('is one life when it is started twice', async () => {
      const part = await make()
      await Promise.all([part.start(), part.start()])
      await part.start()
      expect(await part.works()).toBe(true)
      await part.stop()
      expect(await part.works()).toBe(false)
    })

    test('ends once when it is stopped twice, one after the other and at the same time', async () => {
      const part = await make()
      await part.start()
      await Promise.all([part.stop(), part.stop()])
      await part.stop()
      expect(await part.works()).toBe(false)
    })

    test('takes a stop before any start', async () => {
      const part = await make()
      await part.stop()
      expect(await part.works()).toBe(false)
    })

    test('ends when it is stopped while it starts', async () => {
      const part = await make()
      const started = part.start()
      await Promise.all([part.stop(), Promise.resolve(started).catch(() => {})])
      expect(await part.works()).toBe(false)
    })

    test('does not begin again after its end', async () => {
      const part = await make()
      await part.start()
      await part.stop()
      await Promise.resolve()
        .then(() => part.start())
        .catch(() => {})
      expect(await part.works()).toBe(false)
      await part.stop()
    })
  })
}
