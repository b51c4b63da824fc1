/** What is collected, when, and that a collector may die or meet the unexpected anywhere. */

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { storeBlob } from './blobs.ts'
import { type CollectOptions, collectBlobs } from './collect.ts'
import {
  type BlobPlace,
  type BlobRef,
  blobGraceMillis,
  blobsPrefix,
  newestOf,
  storedOf,
  thumbnailsPrefix,
  uploadsPrefix,
} from './content.ts'
import { chunksOf, clockedObjects, dyingObjects, objectFaults, type TestBucket, testBucket } from './testing.ts'

const hour = 3_600_000
let bucket: TestBucket
let time: number
let place: BlobPlace & { readonly now: () => number }
beforeEach(async () => {
  bucket = await testBucket()
  time = Date.now()
  const now = () => time
  place = { ...bucket, now, objects: clockedObjects(bucket.objects, now) }
})
afterEach(() => bucket.close())

const upload = (bytes: Buffer = randomBytes(100), type = 'image/png'): Promise<BlobRef> =>
  storeBlob(place, chunksOf(bytes), { type })

function collect(named: readonly BlobRef[] = [], options: Partial<CollectOptions> = {}) {
  const names = async function* () {
    for (const { sha256 } of named) yield sha256
  }
  return collectBlobs({ ...place, named: names, ...options })
}

const counts = (blobs: number, bytes = blobs * 100, thumbnails = 0, uploads = 0) => ({
  blobs,
  bytes,
  thumbnails,
  uploads,
})

test('what no row names is gone a day after its upload, and what one names stays', async () => {
  const [named, unnamed, other] = [await upload(), await upload(), await upload(Buffer.alloc(0))]
  time += blobGraceMillis
  assert.deepEqual(await collect([named]), counts(0), 'not a moment earlier')
  const young = await upload()
  time += 1
  assert.deepEqual(await collect([named]), counts(2, 100))
  const left = [named, unnamed, other, young].map(blob => newestOf(place, blob))
  assert.deepEqual(
    (await Promise.all(left)).map(stored => stored !== undefined),
    [true, false, false, true],
  )
  assert.deepEqual(await collect([named]), counts(0))
})

test('of content uploaded again and again the newest that is a day old stays, of each type, and the younger ones', async () => {
  const bytes = randomBytes(100)
  for (let i = 0; i < 4; i++) {
    await upload(bytes)
    time += 7 * hour
  }
  const blob = await upload(bytes, 'text/plain')
  const [, ...images] = (await storedOf(place, blob.sha256)).map(({ key }) => key)
  assert.equal(images.length, 4)
  time += 14 * hour // They are 42, 35, 28 and 21 hours old now.
  assert.deepEqual(await collect([blob, blob]), counts(2))
  const left = (await storedOf(place, blob.sha256)).map(({ key }) => key)
  assert.deepEqual(left.slice(1), images.slice(0, 2))
  assert.deepEqual(await collect(), counts(1), 'the one that is a day old')
})

test('thumbnails go with the last of their blob, and uploads that nobody completed after a day', async () => {
  const [named, unnamed] = [await upload(), await upload()]
  const put = (key: string) => place.objects.put(place.bucket, key, Buffer.from('x'))
  for (const { sha256 } of [named, unnamed]) {
    for (const size of ['1x1', '2x2']) await put(`${thumbnailsPrefix}${sha256}/${size}-inside.webp`)
  }
  await put(`${uploadsPrefix}${randomUUID()}`)
  time += blobGraceMillis + 1
  await put(`${uploadsPrefix}${randomUUID()}`)
  assert.deepEqual(await collect([named]), counts(1, 100, 2, 1))
  assert.deepEqual(await collect([named]), counts(0))
  assert.equal((await bucket.keys(`${thumbnailsPrefix}${named.sha256}`)).length, 2)
  assert.equal((await bucket.keys(uploadsPrefix)).length, 1)
})

test('what is not of blobs, or not in their form, is left alone', async () => {
  const keys = ['_blasty/owner.json', '_delta_log/0.json', `${blobsPrefix}${'0'.repeat(64)}`, `${blobsPrefix}x/y/z`]
  for (const key of keys) await place.objects.put(place.bucket, key, Buffer.from('x'))
  time += 10 * blobGraceMillis
  assert.deepEqual(await collect(), counts(0))
  assert.deepEqual(await bucket.keys(), keys.toSorted())
})

test('names are read after the time and the bucket, anew for each page, and no blob is split between two', async () => {
  const blobs: BlobRef[] = []
  for (let i = 0; i < 5; i++) {
    const bytes = randomBytes(100)
    blobs.push(await upload(bytes))
    time += 7 * hour
    await upload(bytes)
  }
  time += blobGraceMillis + 1
  const told: string[] = []
  let listed = false
  const objects = {
    ...place.objects,
    list: async function* (...args: Parameters<typeof place.objects.list>) {
      for await (const object of place.objects.list(...args)) {
        listed = true
        yield object
      }
    },
  }
  const named = async function* () {
    assert.ok(listed)
    told.push('named')
    yield* blobs.slice(0, 2).map(({ sha256 }) => sha256)
  }
  assert.deepEqual(await collect([], { objects, named, pageObjects: 3 }), counts(2 + 3 * 2))
  assert.equal(told.length, 3)
})

test('when the names cannot be told, nothing unnamed is deleted', async () => {
  const blob = await upload()
  time += 2 * blobGraceMillis
  const broken = new Error('the lake is away')
  const named = async function* (): AsyncGenerator<string> {
    yield '0'.repeat(64)
    throw broken
  }
  await assert.rejects(collect([], { named }), broken)
  assert.ok(await newestOf(place, blob))
  await assert.rejects(collect([], { signal: AbortSignal.abort(broken) }), broken)
  assert.ok(await newestOf(place, blob))
})

test('wherever a collector dies, what is named stays and the next one does the rest', async () => {
  for (const fault of objectFaults) {
    for (let at = 1; ; at++) {
      const [named, unnamed] = [await upload(), await upload()]
      for (const { sha256 } of [named, unnamed]) {
        await place.objects.put(place.bucket, `${thumbnailsPrefix}${sha256}/1x1-inside.webp`, Buffer.from('x'))
      }
      await place.objects.put(place.bucket, `${uploadsPrefix}${randomUUID()}`, Buffer.from('x'))
      time += blobGraceMillis + 1
      const { objects, survived } = dyingObjects(place.objects, at, fault)
      await collect([named], { objects }).catch(error => assert.ok(isBlastyError(error, 'BACKEND_UNAVAILABLE')))
      assert.ok(await newestOf(place, named))
      await collect([named])
      const keys = await bucket.keys()
      assert.equal(keys.length, 2)
      assert.ok(keys.every(key => key.includes(named.sha256)))
      await collect()
      assert.deepEqual(await bucket.keys(), [])
      if (survived()) break
    }
  }
})
