/** The erase job of a Table on real servers: it hears of an erasure, carries it out, and reports it until it is complete. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Directory, ServedTable } from '../directory/directory.ts'
import { demandErasing } from '../engine/erase/demand.ts'
import { foundInBucket, personSchema, until, writing } from '../engine/erase/testing.ts'
import { testLake } from '../engine/lake/testing.ts'
import { pendingErasures } from '../engine/log/erasures.ts'
import { type ErasuresReport, openReports } from '../engine/membership/reports.ts'
import { eraseJob } from './erase-job.ts'
import type { WorkerOptions } from './worker.ts'

/** Nothing hangs on the Table. */
const directory = { read: () => ({ by: () => [] }) } as unknown as Directory

test('an erasure is carried out soon after it is told of, and what is reported of it outlives the worker', async () => {
  const lake = await testLake(personSchema, () => {})
  const reports = await openReports(lake.on.streams, randomUUID())
  const stop = new AbortController()
  const running: Promise<void>[] = []
  try {
    const table = lake.open('worker')
    const archiver = lake.archiver(table, 'lake')
    const marker = `marker${randomUUID()}`
    const put = (id: string) =>
      ({ op: 'put', row: table.schemas.codec.row({ id, title: `${marker} ${id}` }, 'row') }) as const
    await archiver.reached((await table.writer.write([put('a'), put('b')], writing())).revision)
    const backends = { reports, search: { host: 'http://127.0.0.1:1', key: '' }, connectionID: 'c' }
    const resource = { status: { schema: { number: 1 }, progress: { revision: '3' } } }
    const served = { table, backends, resource } as unknown as ServedTable
    const log = { warn: () => {}, error: (problem: unknown) => assert.fail(JSON.stringify(problem)) }
    const start = (id: string, signal: AbortSignal) => {
      const options = { id, log, dataDirectory: lake.folder } as unknown as WorkerOptions
      running.push(eraseJob(served, directory, options).run(signal))
    }
    const told = () => reports.current().find((report): report is ErasuresReport => report.kind === 'erasures')

    start('first', stop.signal)
    const { revision } = await table.writer.erase('e1', [{ id: 'a' }], writing())
    demandErasing(table, revision)
    await until('the erasure is complete', async () => told()?.erasures[0]?.completedTime !== undefined)
    const { id, keys, stores } = told()?.erasures[0] ?? {}
    assert.deepEqual(
      [id, keys, stores?.map(({ name, state }) => `${name}: ${state}`).sort()],
      ['e1', 1, ['blobs: Done', 'lake: Done', 'log: Done']],
    )
    assert.deepEqual(await pendingErasures(table.log), [])
    assert.deepEqual(await foundInBucket(lake.objects, lake.bucket, [Buffer.from(`${marker} a`)]), [])

    stop.abort()
    await Promise.all(running)
    await until('it is withdrawn', async () => told() === undefined)
    const again = new AbortController()
    start('second', again.signal)
    await until('it is told of again', async () => told()?.worker === 'second')
    assert.equal(told()?.erasures[0]?.id, 'e1')
    again.abort()
  } finally {
    stop.abort()
    await Promise.all(running)
    await reports.close()
    await lake.close()
  }
})
