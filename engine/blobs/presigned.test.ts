/** Uploads straight into the real store: what the address takes, and what counts only once it is verified. */

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { storeBlob } from './blobs.ts'
import { type BlobRef, freshMillis, newestOf, storedOf, uploadsPrefix } from './content.ts'
import { completeUpload, type PresignedUpload, presignUpload } from './presigned.ts'
import { chunksOf, dyingObjects, objectFaults, refOf, type TestBucket, testBucket } from './testing.ts'

let place: TestBucket
before(async () => {
  place = await testBucket()
})
after(() => place.close())

const failsWith = (code: Parameters<typeof isBlastyError>[1]) => (error: unknown) => isBlastyError(error, code)

async function presigned(blob: BlobRef): Promise<PresignedUpload> {
  const upload = await presignUpload(place, blob, 60)
  assert.ok(upload)
  return upload
}

async function put({ url, headers }: PresignedUpload, body: Buffer): Promise<number> {
  const answer = await fetch(url, { method: 'PUT', headers: { ...headers }, body: new Uint8Array(body) })
  await answer.arrayBuffer()
  return answer.status
}

test('what is put at the address counts once the upload is completed, however often', async () => {
  for (const bytes of [randomBytes(300_000), Buffer.alloc(0)]) {
    const blob = refOf(bytes, 'image/png')
    const upload = await presigned(blob)
    assert.equal(await put(upload, bytes), 200)
    assert.equal(await newestOf(place, blob), undefined, 'not yet')
    await completeUpload(place, upload.id, blob)
    await completeUpload(place, upload.id, blob)
    assert.equal((await storedOf(place, blob.sha256)).length, 1)
    const [stored] = await storedOf(place, blob.sha256)
    assert.ok((await place.objects.get(place.bucket, stored?.key ?? ''))?.equals(bytes))
    assert.deepEqual(await place.keys(uploadsPrefix), [])
    assert.equal(await presignUpload(place, blob, 60), undefined, 'no need to send it again')
  }
})

test('other content, more of it, or less, is refused by the store, and half an upload leaves nothing', async () => {
  const bytes = randomBytes(50_000)
  const upload = await presigned(refOf(bytes))
  assert.equal(await put(upload, randomBytes(50_000)), 400)
  assert.equal(await put(upload, Buffer.concat([bytes, bytes])), 403)
  assert.equal(await put(upload, bytes.subarray(0, 25_000)), 403)
  assert.deepEqual(await place.keys(uploadsPrefix), [])
  await assert.rejects(completeUpload(place, upload.id, refOf(bytes)), failsWith('BLOB_NOT_FOUND'))
})

test('nothing is believed that the store did not check: content is read and hashed, and what is wrong is removed', async () => {
  const bytes = randomBytes(10_000)
  const blob = refOf(bytes)
  const id = randomUUID()
  const key = `${uploadsPrefix}${id}`
  const unchecked = (body: Buffer, type = blob.type) => place.objects.put(place.bucket, key, body, { type })
  const refused = async () => {
    await assert.rejects(completeUpload(place, id, blob), failsWith('BLOB_MISMATCH'))
    assert.equal(await place.objects.head(place.bucket, key), undefined)
    assert.equal(await newestOf(place, blob), undefined)
  }
  await unchecked(randomBytes(10_000))
  await refused()
  await unchecked(bytes.subarray(1))
  await refused()
  await unchecked(bytes, 'text/html')
  await refused()
  await unchecked(bytes)
  await completeUpload(place, id, blob)
  assert.ok(await newestOf(place, blob))
})

test('what is put between the look and the keeping is not kept', async () => {
  const bytes = randomBytes(10_000)
  const blob = refOf(bytes)
  const upload = await presigned(blob)
  assert.equal(await put(upload, bytes), 200)
  const objects = {
    ...place.objects,
    head: async (...args: Parameters<typeof place.objects.head>) => {
      const info = await place.objects.head(...args)
      await place.objects.put(place.bucket, args[1], randomBytes(10_000), { type: blob.type })
      return info
    },
  }
  await assert.rejects(completeUpload({ ...place, objects }, upload.id, blob), failsWith('BLOB_NOT_FOUND'))
  assert.equal(await newestOf(place, blob), undefined)
  await place.objects.remove(place.bucket, [`${uploadsPrefix}${upload.id}`])
})

test('an id that was not given out is refused before the store is asked', async () => {
  for (const id of ['', '..', `../blobs/${'0'.repeat(64)}`, `${randomUUID()}/`, 'X'.repeat(36)]) {
    await assert.rejects(completeUpload(place, id, refOf(Buffer.from('x'))), failsWith('INVALID_ARGUMENT'), id)
  }
  await assert.rejects(completeUpload(place, randomUUID(), refOf(Buffer.from('x'))), failsWith('BLOB_NOT_FOUND'))
})

test('content announced that is there counts as uploaded just now', async () => {
  const bytes = randomBytes(1000)
  const blob = await storeBlob(place, chunksOf(bytes), { type: 'image/jpeg' })
  const later = { ...place, now: () => Date.now() + freshMillis }
  assert.equal(await presignUpload(later, blob, 60), undefined)
  const [newest, oldest] = await storedOf(place, blob.sha256)
  assert.ok(oldest && newest && newest.modified >= oldest.modified)
  assert.ok((await place.objects.get(place.bucket, newest.key))?.equals(bytes))
  assert.notEqual(await presignUpload(place, { ...blob, size: 999 }, 60), undefined)
  assert.notEqual(await presignUpload(place, { ...blob, type: 'image/png' }, 60), undefined)
})

test('wherever completing dies, it can be completed again', async () => {
  for (const fault of objectFaults) {
    for (let at = 1; ; at++) {
      const bytes = randomBytes(2000)
      const blob = refOf(bytes)
      const upload = await presigned(blob)
      assert.equal(await put(upload, bytes), 200)
      const { objects, survived } = dyingObjects(place.objects, at, fault)
      await completeUpload({ ...place, objects }, upload.id, blob).catch(error =>
        assert.ok(isBlastyError(error, 'BACKEND_UNAVAILABLE')),
      )
      await completeUpload(place, upload.id, blob)
      assert.equal((await newestOf(place, blob))?.size, 2000)
      if (survived()) break
    }
  }
})
