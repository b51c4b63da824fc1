/** Waiting for the lake, though what is asked of its archiver gets lost. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testLake } from '../../engine/lake/testing.ts'
import { changeLog } from '../../engine/log/log.ts'
import type { LakeReport, Report } from '../../engine/membership/reports.ts'
import { filmSchema, patience } from '../../engine/testing.ts'
import { archived } from './archived.ts'

test('a writer whose change touched no row hears that it is archived, though the archiver was asked in vain at first', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const listeners = new Set<(report: Report, present: boolean) => void>()
    let told: LakeReport[] = []
    const archiver = lake.archiver(table, 'lake-a', {
      // By itself it would never commit in this test, and for a change of no row not at all.
      commitWindowMillis: 3_600_000,
      onProgress: progress => {
        const report: LakeReport = { kind: 'lake', tableUid: table.descriptor.uid, worker: 'w', ...progress }
        told = [report]
        for (const listener of listeners) listener(report, true)
      },
    })
    let lost = 0
    const { connection } = lake.on.streams
    const losing = new Proxy(connection, {
      get(target, name) {
        if (name === 'publish')
          return (...args: Parameters<typeof connection.publish>) => {
            if (lost++ > 0) connection.publish(...args)
          }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const waited = {
      table: { descriptor: table.descriptor, log: changeLog(table.log, { ...lake.on.streams, connection: losing }) },
      backends: {
        reports: {
          current: () => told,
          onChange: (listener: (report: Report, present: boolean) => void) => {
            listeners.add(listener)
            return () => listeners.delete(listener)
          },
        },
      },
    }
    const options = { principal: 'p', schema: 1, signal: patience() }
    const { revision } = await table.writer.write([{ op: 'delete', row: { id: 'nobody' } }], options)
    assert.equal(await archived(waited, revision, patience()), true)
    assert.ok(lost > 1)
    assert.equal(listeners.size, 0)
    await archiver.stop()
    assert.equal(await archived(waited, revision + 1, AbortSignal.abort()), false)
  } finally {
    await lake.close()
  }
})
