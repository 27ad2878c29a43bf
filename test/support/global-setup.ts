import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { openEmbedded } from '../../src/embedded/index.ts'
import { connect, createPool } from '../../src/store/database.ts'
import { migrate } from '../../src/store/schema.ts'
import { createPruner } from '../../src/loops/pruner.ts'
import { loopContext } from './loops.ts'
import { openWay } from './open-way.ts'
import type { TestServer } from './database.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    server: TestServer
  }
}

/** One embedded PostgreSQL for all test files, and the template that their databases are copied from. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const closeWay = openWay()
  const folder = await mkdtemp(join(tmpdir(), 'forgeq-test-'))
  const embedded = await openEmbedded({
    dataDir: folder,
    lingerMs: 10_000,
    // Databases are copied by the dozen; what a crash does is tested on servers of its own.
    settings: { fsync: 'off', max_connections: '300' },
  })
  const server: TestServer = embedded.connection
  const admin = await connect({ ...server, database: 'postgres' }, 'test')
  const plain = (text: string) => admin.query({ name: 'test', text, values: [], prepared: '' })
  await plain('drop database if exists forgeq_template')
  await plain('create database forgeq_template')
  const pool = createPool({ ...server, database: 'forgeq_template' }, { size: 1, purpose: 'test' })
  await migrate(pool)
  await createPruner(loopContext(pool)).runOnce() // the partitions ahead
  await pool.close()
  await admin.close()
  project.provide('server', server)
  return async () => {
    await embedded.release()
    await rm(folder, { recursive: true, force: true }).catch(() => {})
    closeWay()
  }
}
