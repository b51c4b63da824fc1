/** A person is forgotten: nothing of the rows is found in any store, by looking at every byte of them, and all else is as it was. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { Client } from 'minio'
import { isBlastyError } from '../../base/errors.ts'
import { testStack } from '../../devstack/testing.ts'
import { storeBlob } from '../blobs/blobs.ts'
import { chunksOf } from '../blobs/testing.ts'
import { documentId } from '../indexing/document.ts'
import { openSnapshotAt } from '../lake/snapshot.ts'
import { testLake } from '../lake/testing.ts'
import { declaredFloor } from '../log/control.ts'
import { pendingErasures } from '../log/erasures.ts'
import { purgeLog } from '../log/retention.ts'
import type { Condition, RowChange } from '../log/writer.ts'
import { openSqlDatabase } from '../replica/sql-database.ts'
import type { Table } from '../table.ts'
import { patience } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { keyHash, readProof } from './proof.ts'
import {
  eraseAll,
  folderOfStream,
  foundInBucket,
  foundInFolder,
  foundInStream,
  personSchema,
  testStage,
  until,
  writing,
} from './testing.ts'

test('nothing of an erased row is left in any store, and every other row is as it was', async () => {
  const stage = await testStage()
  const { lake, table, archiver, search, index, stream } = stage
  const { streams } = lake.on
  try {
    const marker = `marker${randomUUID().replaceAll('-', '')}`
    const person = `person${randomUUID().replaceAll('-', '')}`
    const key = table.schemas.encodeKey({ id: person })
    const poster = await storeBlob(table.blobs, chunksOf(Buffer.from(`a picture of ${marker}`)), { type: 'text/plain' })
    const put = (row: Record<string, unknown>) => ({ op: 'put', row: table.schemas.codec.row(row, 'row') }) as const
    const raw = Buffer.from(marker).toString('base64')
    for (let n = 0; n < 5; n++) {
      const row = { id: person, title: `${marker} ${n}`, tags: [marker], extra: { marker }, raw, poster: { ...poster } }
      const changes = [put(row), put({ id: `other ${n}`, title: 'kept' })]
      await archiver.reached((await table.writer.write(changes, writing())).revision)
    }
    const before = await lake.rows(table)
    await table.reached(0, 'columns', patience())
    await stage.sql.merged(Number.POSITIVE_INFINITY)
    const texts = [marker, raw, person, key.toString('base64url'), poster.sha256]
    const needles = texts.map(text => Buffer.from(text))
    await until('the document is there', async () => (await search.getDocument(index, documentId(key))) !== undefined)
    await until('the events are there', async () => (await foundInStream(streams, stream, needles)).length === 5)
    // What is looked for is found where it is.
    assert.ok((await foundInBucket(lake.objects, lake.bucket, needles)).length > 5)
    assert.ok((await foundInStream(streams, table.log.stream, needles)).length > 4)
    for (const name of [table.log.stream, stream])
      assert.notDeepEqual(await foundInFolder(await folderOfStream(name), needles), [])
    assert.ok((await foundInFolder(lake.folder, needles)).length > 2)

    const { revision } = await table.writer.erase('e1', [{ id: person }], writing())
    await eraseAll(table, stage.scratch, { dependents: stage.dependents })
    // What a worker reports of the lake reaches every process.
    table.noteArchived(revision)
    const replica = await table.reached(0, 'columns', patience())

    assert.equal(replica.get(key), undefined)
    assert.deepEqual(await foundInBucket(lake.objects, lake.bucket, needles), [])
    for (const name of [table.log.stream, stream]) {
      assert.deepEqual(await foundInStream(streams, name, needles), [])
      assert.deepEqual(await foundInFolder(await folderOfStream(name), needles), [])
    }
    assert.equal(await search.getDocument(index, documentId(key)), undefined)
    // The archiver drops its cache when it meets the cut.
    await until('the caches are clean', async () => (await foundInFolder(lake.folder, needles)).length === 0)
    assert.deepEqual(
      await rowsOf(stage.sql, 'SELECT id FROM films ORDER BY id'),
      [0, 1, 2, 3, 4].map(n => ({ id: `other ${n}` })),
    )
    const after = await lake.rows(table)
    const others = before.rows.flatMap((row, at) => (row.id === person ? [] : [[before.revisions[at], row]]))
    assert.deepEqual(
      after.rows.map((row, at) => [after.revisions[at], row]),
      others,
    )
    const proof = await readProof(table.lake, 'e1')
    assert.deepEqual(proof?.keys, [keyHash('e1', key)])
    assert.deepEqual(
      Object.entries(proof?.stores ?? {}).map(([store, { state }]) => `${store}: ${state}`),
      ['lake: Done', 'index people: Done', 'subscription news: Done', 'log: Done', 'blobs: Done'],
    )
    assert.ok(proof?.completedTime)
  } finally {
    await stage.close()
  }
})

const put = (table: Table, id: string, title: string, condition?: Condition): RowChange => ({
  op: 'put',
  row: table.schemas.codec.row({ id, title }, 'row'),
  ...(condition && { condition }),
})

test('a row that comes back while it is erased stays, and conditions on its key mean what they say', async () => {
  const lake = await testLake(personSchema, () => {})
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const key = table.schemas.encodeKey({ id: 'a' })
    const first = await table.writer.write([put(table, 'a', 'before'), put(table, 'b', 'before')], writing())
    await archiver.reached(first.revision)
    await table.writer.erase('e1', [{ id: 'a' }, { id: 'b' }, { id: 'never there' }], writing())
    const back = await table.writer.write([put(table, 'a', 'after', { kind: 'absent' })], writing())
    await eraseAll(table, join(lake.folder, 'scratch'))

    const conditional = (id: string, condition: Condition) =>
      table.writer.write([put(table, id, 'once more', condition)], writing())
    await assert.rejects(conditional('a', { kind: 'absent' }), error => isBlastyError(error, 'ROW_EXISTS'))
    await assert.rejects(conditional('b', { kind: 'revision', revision: first.first + 1 }), error =>
      isBlastyError(error, 'REVISION_CONFLICT'),
    )
    // Nothing is left on the subject, and a replica that is behind would say that the row is there.
    await conditional('b', { kind: 'absent' })
    const last = await conditional('a', { kind: 'revision', revision: back.first })
    const replica = await table.reached(last.revision, 'rows', patience())
    assert.equal(replica.get(key)?.row(table.schemas.codec).title, 'once more')
    await archiver.reached(last.revision)
    assert.deepEqual(
      (await lake.rows(table)).rows.map(({ id, title }) => [id, title]),
      [
        ['a', 'once more'],
        ['b', 'once more'],
      ],
    )
    assert.deepEqual(await foundInBucket(lake.objects, lake.bucket, [Buffer.from('before')]), [])
  } finally {
    await lake.close()
  }
})

test('an erasure is asked for once, whoever asks again, and its id names no other keys', async () => {
  const lake = await testLake(personSchema)
  try {
    const table = lake.open('a')
    const erase = (id: string, principal = 'p') => table.writer.erase('e1', [{ id }], { ...writing(), principal })
    const { revision } = await erase('a')
    assert.deepEqual(await erase('a'), { revision, first: revision - 2, count: 2, replayed: true })
    await assert.rejects(erase('b'), error => isBlastyError(error, 'MUTATION_ID_REUSED'))
    await assert.rejects(erase('a', 'another'), error => isBlastyError(error, 'MUTATION_ID_REUSED'))
    assert.deepEqual(
      (await pendingErasures(table.log)).map(({ id, keys }) => [id, keys]),
      [['e1', [table.schemas.encodeKey({ id: 'a' })]]],
    )
  } finally {
    await lake.close()
  }
})

test('a process that was down, one that stood before the erasure, and a new one show the same and keep nothing', async () => {
  const lake = await testLake(personSchema, () => {})
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const marker = `marker${randomUUID()}`
    const needles = [Buffer.from(marker)]
    const { revision: one } = await table.writer.write([put(table, 'a', marker), put(table, 'b', 'kept')], writing())
    const down = lake.open('down')
    await down.reached(one, 'rows', patience())
    await down.close()
    // It has the rows and hears of nothing that comes.
    const sql = await openSqlDatabase(join(lake.folder, 'asleep.duckdb'), { memory: '256MB', threads: 1 })
    const asleep = lake.open('asleep', lake.objects, async () => sql)
    await asleep.reached(one, 'columns', patience())
    await sql.merged(Number.POSITIVE_INFINITY)
    await asleep.close()
    const { revision } = await table.writer.write([put(table, 'a', `${marker} again`)], writing())
    await archiver.reached(revision)
    const erased = await table.writer.erase('e1', [{ id: 'a' }], writing())
    await eraseAll(table, join(lake.folder, 'scratch'))
    table.noteArchived(erased.revision)

    for (const name of ['down', 'asleep', 'fresh', 'a']) {
      const other =
        name === 'a' ? table : lake.open(name, lake.objects, ...(name === 'asleep' ? [async () => sql] : []))
      const replica = await other.reached(0, name === 'asleep' ? 'columns' : 'rows', patience())
      const rows = [...replica.snapshot().rows()]
      assert.deepEqual(
        rows.map(({ row }) => row.row(other.schemas.codec).title),
        ['kept'],
        name,
      )
      // Neither by a cursor nor by what was.
      const stale = Array.fromAsync(replica.source.changes(one, patience(), replica.revision))
      await assert.rejects(stale, error => isBlastyError(error, 'CURSOR_EXPIRED'), name)
    }
    await assert.rejects(openSnapshotAt(table, one, join(lake.folder, 'scratch')), error =>
      isBlastyError(error, 'REVISION_EXPIRED'),
    )
    await until('the caches are clean', async () => (await foundInFolder(lake.folder, needles)).length === 0)
    await sql.close()
  } finally {
    await lake.close()
  }
})

test('a purge leaves an erasure in the log that is not done, and goes past the holes of one that is', async () => {
  const lake = await testLake(personSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a', { purgeMillis: Number.POSITIVE_INFINITY })
    const later = () => ({ retentionSeconds: 0, now: Date.now() + 60_000 })
    const { revision } = await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], writing())
    const { revision: erased } = await table.writer.erase('e1', [{ id: 'a' }], writing())
    const { revision: last } = await table.writer.write([put(table, 'c', 'three')], writing())
    await archiver.reached(last)
    assert.equal(await purgeLog(table.log, last, later()), revision)
    assert.equal(await purgeLog(table.log, last, later()), undefined)
    await eraseAll(table, join(lake.folder, 'scratch'))
    assert.equal(await purgeLog(table.log, last, later()), last)
    assert.ok((await declaredFloor(table.log)) >= erased)
  } finally {
    await lake.close()
  }
})

test('in a bucket with versioning what is no longer current is removed too', async () => {
  const lake = await testLake(personSchema, () => {})
  const { objects, bucket } = lake
  const { objectStore } = await testStack('objectStore')
  const { hostname, port } = new URL(objectStore.endpoint)
  const { accessKey, secretKey, region } = objectStore
  const client = new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey, region })
  const marker = `marker${randomUUID()}`
  /** Versions of all objects in which the marker is. */
  const found = async () => {
    const names: string[] = []
    for await (const item of client.listObjects(bucket, '', true, { IncludeVersion: true })) {
      const {
        name = '',
        versionId = '',
        isDeleteMarker,
      } = item as { name?: string; versionId?: string; isDeleteMarker?: boolean }
      if (isDeleteMarker) continue
      const body = await buffer(await client.getObject(bucket, name, { versionId }))
      if (body.includes(marker)) names.push(name)
    }
    return names
  }
  try {
    await client.setBucketVersioning(bucket, { Status: 'Enabled' })
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    for (const title of [`${marker} 1`, `${marker} 2`]) {
      const { revision } = await table.writer.write([put(table, 'a', title), put(table, 'b', 'kept')], writing())
      await archiver.reached(revision)
    }
    assert.ok((await found()).length > 1)
    await table.writer.erase('e1', [{ id: 'a' }], writing())
    await eraseAll(table, join(lake.folder, 'scratch'))
    await archiver.stop()
    assert.deepEqual(await found(), [])
  } finally {
    // A bucket that holds versions cannot be removed.
    await objects.remove(
      bucket,
      (await Array.fromAsync(objects.list(bucket, ''))).map(({ key }) => key),
    )
    await objects.removeNoncurrent(bucket, '')
    await lake.close()
  }
})
