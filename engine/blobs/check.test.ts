/** Which rows may name which blobs, on the real store. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import { patience } from '../testing.ts'
import { storeBlob } from './blobs.ts'
import { BlobCheck } from './check.ts'
import { type BlobRef, freshMillis } from './content.ts'
import { chunksOf, hashOf, refOf, type TestBucket, testBucket, wrappedObjects } from './testing.ts'

let place: TestBucket
before(async () => {
  place = await testBucket()
})
after(() => place.close())

const column = { required: false, type: 'Blob' } as const
const schema: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'String', required: true, field: 1 },
    { ...column, name: 'poster', field: 2 },
    { ...column, name: 'trailer', field: 3 },
  ],
  retired: [],
  primaryKey: ['id'],
}

/** A check whose rows are `current`, by id, and that counts what the store is asked. */
function checking(current: Record<string, Row> = {}, { hours = 0, cacheMillis = 60_000 } = {}) {
  let asked = 0
  const objects = wrappedObjects(place.objects, (_, call) => {
    asked++
    return call()
  })
  const now = () => Date.now() + hours * 3_600_000
  const check = new BlobCheck(
    { ...place, objects, now },
    async rows => rows.map(({ id }) => current[String(id)]),
    cacheMillis,
  )
  const write = (...rows: Row[]) =>
    check.check(
      schema,
      rows.map((row, index) => ({ row, place: `mutations[${index}]` })),
      patience(),
    )
  return { write, asked: () => asked }
}

const upload = (bytes: Buffer = randomBytes(500)): Promise<BlobRef> =>
  storeBlob(place, chunksOf(bytes), { type: 'image/jpeg' })

const refuses = (...fields: [string, RegExp][]) =>
  function refused(error: unknown) {
    assert.ok(isBlastyError(error, 'BLOB_NOT_STORED'), String(error))
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      fields.map(([field]) => field),
    )
    for (const [index, [, problem]] of fields.entries()) {
      assert.match(error.violations[index]?.description ?? '', problem)
    }
    return true
  }

test('a row may name what was uploaded, and nothing else: the fields at fault are named', async () => {
  const { write } = checking()
  const poster = await upload()
  await write({ id: 'a', poster }, { id: 'b' }, { id: 'c', poster, trailer: await upload(Buffer.alloc(0)) })
  const never = refOf(Buffer.from('never'))
  await assert.rejects(
    write({ id: 'a', poster }, { id: 'b', poster: never }, { id: 'c', trailer: { ...poster, size: 501 } }),
    refuses(['mutations[1].poster', /is not stored/], ['mutations[2].trailer', /with 500 bytes/]),
  )
  await assert.rejects(
    write({ id: 'a', poster: { ...poster, type: 'text/html' } }),
    refuses(['mutations[0].poster', /as image\/jpeg/]),
  )
})

test('what was uploaded more than half a day ago must be uploaded again, unless the row names it already', async () => {
  const poster = await upload()
  const hours = freshMillis / 3_600_000
  await checking({}, { hours: hours - 0.1 }).write({ id: 'a', poster })
  const { write } = checking({ a: { id: 'a', trailer: poster }, b: { id: 'b' } }, { hours: hours + 0.1 })
  await write({ id: 'a', poster })
  await assert.rejects(
    write({ id: 'a', poster }, { id: 'b', poster }, { id: 'c', poster }),
    refuses(['mutations[1].poster', /12 hours/], ['mutations[2].poster', /12 hours/]),
  )
})

test('the store is asked once for a blob that many rows name, and again when a minute has passed', async () => {
  const poster = await upload()
  const rows = Array.from({ length: 500 }, (_, id): Row => ({ id: `${id}`, poster }))
  const { write, asked } = checking()
  await write(...rows)
  await write(...rows)
  assert.equal(asked(), 1)
  const forgetful = checking({}, { cacheMillis: 0 })
  await forgetful.write(...rows)
  await forgetful.write(...rows)
  assert.equal(forgetful.asked(), 2)
})

test('what was missing is found once it has been uploaded', async () => {
  const bytes = randomBytes(500)
  const { write } = checking()
  await assert.rejects(write({ id: 'a', poster: refOf(bytes) }), refuses(['mutations[0].poster', /not stored/]))
  await upload(bytes)
  await write({ id: 'a', poster: refOf(bytes) })
})

test('a write names at most a thousand different blobs', async () => {
  const rows = Array.from({ length: 1001 }, (_, id) => ({ id: `${id}`, poster: refOf(Buffer.from(`${id}`)) }))
  const { write, asked } = checking()
  await assert.rejects(write(...rows), error => isBlastyError(error, 'BATCH_TOO_LARGE'))
  assert.equal(asked(), 0)
})

test('while the store is away, rows that name what they named before are written', async () => {
  const away = async () => {
    throw new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem: 'gone' })
  }
  const poster = { sha256: hashOf(Buffer.from('x')), size: 1, type: 'image/png' }
  const objects = wrappedObjects(place.objects, away)
  const check = new BlobCheck({ ...place, objects }, async () => [{ id: 'a', poster }])
  const write = (row: Row) => check.check(schema, [{ row, place: 'row' }], patience())
  await write({ id: 'a', title: 'changed', poster })
  await assert.rejects(write({ id: 'a', poster: refOf(Buffer.from('y')) }), error =>
    isBlastyError(error, 'BACKEND_UNAVAILABLE'),
  )
})

test('an answer that comes after the process was stopped for long is not believed', async () => {
  const poster = await upload()
  let time = Date.now()
  const objects = wrappedObjects(place.objects, async (_, call) => {
    const answer = await call()
    time += freshMillis
    return answer
  })
  const check = new BlobCheck({ ...place, objects, now: () => time }, async () => [])
  const write = () => check.check(schema, [{ row: { id: 'a', poster }, place: 'row' }], patience())
  await assert.rejects(write(), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
})

test('a store, or a replica, that never answers holds a write no longer than its time', async () => {
  const never = new Promise<never>(() => {})
  const poster = refOf(Buffer.from('never'))
  const silent = new BlobCheck({ ...place, objects: wrappedObjects(place.objects, () => never) }, () => never)
  const behind = new BlobCheck(place, () => never)
  for (const check of [silent, behind]) {
    const limit = new AbortController()
    const reason = new Error('time is up')
    const waiting = check.check(schema, [{ row: { id: 'a', poster }, place: 'row' }], limit.signal)
    limit.abort(reason)
    await assert.rejects(waiting, reason)
  }
})
