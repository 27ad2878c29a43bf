import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { defineJob, type EnqueuedJob, ForgeQ, type JobOutcome } from '../src/index.ts'

const resize = defineJob({
  type: 'resize',
  payload: z.object({ width: z.number() }),
  run: (payload) => ({ area: payload.width * payload.width }),
})
const greet = defineJob({ type: 'greet', run: async (payload: { name: string }) => `hello ${payload.name}` })

test('payload and result are inferred from the definition, with a schema and without', () => {
  type Enqueue = (forgeq: ForgeQ) => unknown
  const enqueueResize = (forgeq: ForgeQ) => forgeq.enqueue(resize, { width: 3 })
  const resultOfGreet = (forgeq: ForgeQ) => forgeq.result(greet, 'id')
  // @ts-expect-error -- the payload's field is a number
  const wrongField: Enqueue = (forgeq) => forgeq.enqueue(resize, { width: 'wide' })
  // @ts-expect-error -- the payload has no such field
  const wrongName: Enqueue = (forgeq) => forgeq.enqueue(greet, { nom: 'x' })
  expectTypeOf(enqueueResize).returns.resolves.toEqualTypeOf<EnqueuedJob<{ width: number }, { area: number }>>()
  expectTypeOf(resultOfGreet).returns.resolves.toEqualTypeOf<JobOutcome<string>>()
  expectTypeOf(wrongField).toBeFunction()
  expectTypeOf(wrongName).toBeFunction()
})
