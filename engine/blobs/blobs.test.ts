/** Blobs on the real store: what is announced must come, and what does not leaves nothing. */

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { presignBlob, readBlob, storeBlob } from './blobs.ts'
import { type BlobRef, blobGraceMillis, newestOf, reusedMillis, storedOf, uploadsPrefix } from './content.ts'
import { chunksOf, dyingObjects, hashOf, objectFaults, refOf, type TestBucket, testBucket } from './testing.ts'

let place: TestBucket
before(async () => {
  place = await testBucket()
})
after(() => place.close())

const type = 'image/jpeg'

async function read(blob: BlobRef, offset = 0, length = blob.size): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of await readBlob(place, blob, offset, length)) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

test('a blob comes back as it went in, whole and in ranges, and by an address of its own', async () => {
  const bytes = randomBytes(300_000)
  const blob = await storeBlob(place, chunksOf(bytes), { type, sha256: hashOf(bytes), size: bytes.length })
  assert.deepEqual(blob, { sha256: hashOf(bytes), size: bytes.length, type })
  assert.ok((await read(blob)).equals(bytes))
  for (const [offset, length] of [
    [0, 1],
    [299_999, 1],
    [100_000, 65_537],
  ] as const) {
    assert.ok((await read(blob, offset, length)).equals(bytes.subarray(offset, offset + length)))
  }
  const answer = await fetch(await presignBlob(place, blob, 60))
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes))
  assert.deepEqual(await storeBlob(place, chunksOf(bytes, 7000), { type }), blob)
})

test('a blob of no bytes is one too, announced or not', async () => {
  for (const size of [{ size: 0 }, {}]) {
    const blob = await storeBlob(place, chunksOf(Buffer.alloc(0)), { type, ...size })
    assert.deepEqual(blob, { sha256: hashOf(Buffer.alloc(0)), size: 0, type })
    assert.equal((await storedOf(place, blob.sha256)).length, 1)
    assert.deepEqual(await read(blob), Buffer.alloc(0))
  }
})

test('what is not as announced, or breaks off, leaves nothing behind', async () => {
  const before = await place.keys()
  const bytes = randomBytes(200_000)
  const mismatch = (error: unknown) => isBlastyError(error, 'BLOB_MISMATCH')
  const refused = (expected: object) =>
    assert.rejects(storeBlob(place, chunksOf(bytes), { type, ...expected }), mismatch)
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
  await assert.rejects(storeBlob(place, breaking(), { type }), broken)
  await assert.rejects(storeBlob(place, breaking(), { type, size: bytes.length * 2 }), broken)
  assert.deepEqual(await place.keys(), before)
})

test('a blob that is not there is said not to be', async () => {
  const blob = refOf(Buffer.from('never'))
  const notFound = (error: unknown) => isBlastyError(error, 'BLOB_NOT_FOUND')
  await assert.rejects(read(blob), notFound)
  await assert.rejects(presignBlob(place, blob, 60), notFound)
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
  const blob = await storeBlob(place, chunks(80), { type })
  assert.deepEqual([blob.sha256, blob.size], [whole.digest('hex'), part.length * 80])
  const back = createHash('sha256')
  for await (const piece of await readBlob(place, blob, 0, blob.size)) back.update(piece as Buffer)
  assert.equal(back.digest('hex'), blob.sha256)
  const before = await place.keys()
  const short = async function* () {
    for (let i = 0; i < 79; i++) yield part
  }
  await assert.rejects(storeBlob(place, short(), { type, size: blob.size }), error =>
    isBlastyError(error, 'BLOB_MISMATCH'),
  )
  assert.deepEqual(await place.keys(), before)
})

test('content is stored once an upload within six hours, then anew; each type has its own', async () => {
  const bytes = randomBytes(1000)
  const { sha256 } = refOf(bytes)
  const upload = (hours: number, as = type) =>
    storeBlob({ ...place, now: () => Date.now() + hours * 3_600_000 }, chunksOf(bytes), { type: as })
  await upload(0)
  await upload(reusedMillis / 3_600_000 - 0.1)
  assert.equal((await storedOf(place, sha256)).length, 1)
  await upload(reusedMillis / 3_600_000 + 0.1)
  await upload(blobGraceMillis / 3_600_000 + 1)
  const [newest, ...older] = await storedOf(place, sha256)
  assert.equal(older.length, 2)
  assert.ok(older.every(({ modified }) => modified <= (newest?.modified ?? 0)))
  await upload(0, 'image/svg+xml')
  assert.equal((await newestOf(place, refOf(bytes, 'image/svg+xml')))?.type, 'image/svg+xml')
  assert.equal((await newestOf(place, refOf(bytes)))?.key, newest?.key)
  assert.equal(await newestOf(place, { ...refOf(bytes), size: 999 }), undefined)
  const answer = await fetch(await presignBlob(place, refOf(bytes, 'image/svg+xml'), 60))
  assert.equal(answer.headers.get('content-type'), 'image/svg+xml')
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes))
})

test('wherever an upload dies, what a row can name is whole, and the next upload succeeds', async () => {
  for (const fault of objectFaults) {
    for (let at = 1; ; at++) {
      const bytes = randomBytes(2000)
      const blob = refOf(bytes)
      const { objects, survived } = dyingObjects(place.objects, at, fault)
      const died = await storeBlob({ ...place, objects }, chunksOf(bytes), { type }).then(
        () => false,
        error => isBlastyError(error, 'BACKEND_UNAVAILABLE'),
      )
      for (const stored of await storedOf(place, blob.sha256)) assert.ok((await read(stored)).equals(bytes))
      assert.equal((await storedOf(place, blob.sha256)).length > 0 || died, true)
      assert.deepEqual(await storeBlob(place, chunksOf(bytes), { type }), blob)
      assert.ok((await read(blob)).equals(bytes))
      if (survived()) break
    }
  }
  // What the deaths left lies where no row reaches it, until it is collected.
  await place.objects.remove(place.bucket, await place.keys(uploadsPrefix))
})

test('a download is not ended by the collection of the object it was about to read', async () => {
  const bytes = randomBytes(1000)
  const blob = await storeBlob(place, chunksOf(bytes), { type })
  const [stored] = await storedOf(place, blob.sha256)
  let moved = false
  const objects = {
    ...place.objects,
    download: async (...args: Parameters<typeof place.objects.download>) => {
      if (!moved) {
        moved = true
        await storeBlob({ ...place, now: () => Date.now() + reusedMillis }, chunksOf(bytes), { type })
        await place.objects.remove(place.bucket, [stored?.key ?? ''])
      }
      return place.objects.download(...args)
    },
  }
  const parts = await Array.fromAsync(await readBlob({ ...place, objects }, blob, 0, blob.size))
  assert.ok(Buffer.concat(parts as Buffer[]).equals(bytes))
})
