/** Blobs on the real store: what is announced must come, and what does not leaves nothing. */

import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type ObjectStore, objectStore } from '../../backends/object-store/store.ts'
import { isBlastyError } from '../../base/errors.ts'
import { testStack } from '../../devstack/testing.ts'
import { type BlobRef, hasBlob, presignBlob, readBlob, storeBlob } from './blobs.ts'

let objects: ObjectStore
const bucket = `test-${randomUUID()}`
before(async () => {
  const { objectStore: store } = await testStack('objectStore')
  objects = objectStore({ ...store, pathStyle: true })
  await objects.makeBucket(bucket)
})
after(async () => {
  await objects.remove(bucket, await keys())
  await objects.removeBucket(bucket)
})

async function keys(): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of objects.list(bucket, '')) found.push(key)
  return found
}

async function* chunksOf(bytes: Buffer, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const type = 'image/jpeg'

async function read(blob: BlobRef, offset = 0, length = blob.size): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of await readBlob(objects, bucket, 'test/films', blob, offset, length))
    parts.push(part as Buffer)
  return Buffer.concat(parts)
}

test('a blob comes back as it went in, whole and in ranges, and by an address of its own', async () => {
  const bytes = randomBytes(300_000)
  const blob = await storeBlob(objects, bucket, chunksOf(bytes), { type, sha256: hashOf(bytes), size: bytes.length })
  assert.deepEqual(blob, { sha256: hashOf(bytes), size: bytes.length, type })
  assert.ok((await read(blob)).equals(bytes))
  for (const [offset, length] of [
    [0, 1],
    [299_999, 1],
    [100_000, 65_537],
  ] as const) {
    assert.ok((await read(blob, offset, length)).equals(bytes.subarray(offset, offset + length)))
  }
  const answer = await fetch(await presignBlob(objects, bucket, blob, 60))
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes))
  assert.deepEqual(await storeBlob(objects, bucket, chunksOf(bytes, 7000), { type }), blob)
})

test('a blob of no bytes is one too, announced or not', async () => {
  for (const size of [{ size: 0 }, {}]) {
    const blob = await storeBlob(objects, bucket, chunksOf(Buffer.alloc(0)), { type, ...size })
    assert.deepEqual(blob, { sha256: hashOf(Buffer.alloc(0)), size: 0, type })
    assert.equal(await hasBlob(objects, bucket, blob.sha256), true)
  }
})

test('what is not as announced, or breaks off, leaves nothing behind', async () => {
  const before = await keys()
  const bytes = randomBytes(200_000)
  const mismatch = (error: unknown) => isBlastyError(error, 'BLOB_MISMATCH')
  const refused = (expected: object) =>
    assert.rejects(storeBlob(objects, bucket, chunksOf(bytes), { type, ...expected }), mismatch)
  await refused({ sha256: hashOf(Buffer.from('another')) })
  await refused({ size: bytes.length - 1 })
  await refused({ size: bytes.length + 1 })
  await refused({ size: 0 })
  await refused({ size: bytes.length, sha256: hashOf(Buffer.from('another')) })
  const broken = new Error('the client left')
  const breaking = async function* () {
    yield* chunksOf(bytes)
    throw broken
  }
  await assert.rejects(storeBlob(objects, bucket, breaking(), { type }), broken)
  await assert.rejects(storeBlob(objects, bucket, breaking(), { type, size: bytes.length * 2 }), broken)
  assert.deepEqual(await keys(), before)
})

test('a blob that is not there is said not to be', async () => {
  const blob = { sha256: hashOf(Buffer.from('never')), size: 5, type }
  await assert.rejects(read(blob), error => isBlastyError(error, 'BLOB_NOT_FOUND'))
})

test('twenty megabytes come back as they went in, and break off half-way without a trace', async () => {
  const part = randomBytes(256 * 1024)
  const whole = createHash('sha256')
  const chunks = async function* (count: number) {
    for (let i = 0; i < count; i++) {
      whole.update(part)
      yield part
    }
  }
  const blob = await storeBlob(objects, bucket, chunks(80), { type })
  assert.deepEqual([blob.sha256, blob.size], [whole.digest('hex'), part.length * 80])
  const back = createHash('sha256')
  for await (const piece of await readBlob(objects, bucket, 't', blob, 0, blob.size)) back.update(piece as Buffer)
  assert.equal(back.digest('hex'), blob.sha256)
  const before = await keys()
  const short = async function* () {
    for (let i = 0; i < 79; i++) yield part
  }
  await assert.rejects(storeBlob(objects, bucket, short(), { type, size: blob.size }), error =>
    isBlastyError(error, 'BLOB_MISMATCH'),
  )
  assert.deepEqual(await keys(), before)
})
