/** Thumbnails kept in the real store: made once, few, and only of what may be decoded. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import sharp from 'sharp'
import { isBlastyError } from '../../base/errors.ts'
import { patience } from '../testing.ts'
import { storeBlob } from './blobs.ts'
import { type BlobRef, thumbnailsPrefix } from './content.ts'
import type { ImageSize } from './image.ts'
import { chunksOf, refOf, type TestBucket, testBucket, wrappedObjects } from './testing.ts'
import { Thumbnails } from './thumbnails.ts'

let place: TestBucket
before(async () => {
  place = await testBucket()
})
after(() => place.close())

const size: ImageSize = { width: 50, height: 50, fit: 'inside', format: 'webp' }

async function image(width: number, grey: number): Promise<BlobRef> {
  const bytes = await sharp({ create: { width, height: 80, channels: 3, background: { r: grey, g: grey, b: grey } } })
    .png()
    .toBuffer()
  return storeBlob(place, chunksOf(bytes), { type: 'image/png' })
}

const keptOf = ({ sha256 }: BlobRef) => place.keys(`${thumbnailsPrefix}${sha256}/`)

test('a thumbnail is made once and kept, also after its blob is read no more', async () => {
  const source = await image(160, 1)
  let downloads = 0
  const objects = wrappedObjects(place.objects, (name, call) => {
    if (name === 'download') downloads++
    return call()
  })
  const thumbnails = new Thumbnails()
  const first = await thumbnails.of({ ...place, objects }, source, size, patience())
  const again = await thumbnails.of({ ...place, objects }, source, size, patience())
  assert.ok(first.content.equals(again.content))
  assert.deepEqual(first.blob, refOf(first.content, 'image/webp'))
  assert.equal(downloads, 1)
  assert.deepEqual(await keptOf(source), [`${thumbnailsPrefix}${source.sha256}/50x50-inside.webp`])
  const other = await thumbnails.of(place, source, { width: 30, fit: 'cover', format: 'png' }, patience())
  assert.equal((await sharp(other.content).metadata()).width, 30)
  assert.equal((await keptOf(source)).length, 2)
})

test('of one blob no more than 32 thumbnails are kept, and more are made all the same', async () => {
  const source = await image(170, 2)
  const thumbnails = new Thumbnails()
  for (let width = 1; width <= 34; width++) {
    const { content } = await thumbnails.of(place, source, { ...size, width }, patience())
    assert.ok(content.length > 0)
  }
  assert.equal((await keptOf(source)).length, 32)
})

test('a text file named image/png, a blob that is too large, and one that is gone make no thumbnail', async () => {
  const thumbnails = new Thumbnails()
  const text = await storeBlob(place, chunksOf(Buffer.from('no image')), { type: 'image/png' })
  const of = (blob: BlobRef) => thumbnails.of(place, blob, size, patience())
  const code = (name: 'IMAGE_REFUSED' | 'BLOB_NOT_FOUND') => (error: unknown) => isBlastyError(error, name)
  await assert.rejects(of(text), code('IMAGE_REFUSED'))
  assert.deepEqual(await keptOf(text), [])
  await assert.rejects(of({ ...text, size: 64 * 1024 * 1024 }), code('IMAGE_REFUSED'))
  await assert.rejects(of(refOf(Buffer.from('never'))), code('BLOB_NOT_FOUND'))
})

test('two are made at a time, 64 wait, and the next is refused', async () => {
  const source = await image(180, 3)
  const gate = Promise.withResolvers<void>()
  const refused = Promise.withResolvers<void>()
  const two = Promise.withResolvers<void>()
  let [running, most] = [0, 0]
  const objects = wrappedObjects(place.objects, async (name, call) => {
    if (name !== 'download') return call()
    most = Math.max(most, ++running)
    if (most === 2) two.resolve()
    await gate.promise
    running--
    return call()
  })
  const thumbnails = new Thumbnails()
  const asked = Array.from({ length: 2 + 64 + 1 }, (_, index) =>
    thumbnails.of({ ...place, objects }, source, { ...size, width: index + 1 }, patience()).catch((error: unknown) => {
      refused.resolve()
      return error
    }),
  )
  await Promise.all([refused.promise, two.promise])
  gate.resolve()
  const failures = (await Promise.all(asked)).filter(answer => answer instanceof Error)
  assert.deepEqual([failures.map(error => isBlastyError(error, 'SERVER_BUSY')), most], [[true], 2])
})
