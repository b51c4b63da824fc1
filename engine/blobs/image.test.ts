/** Images of each kind, broken ones, and ones that are not what they seem. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Create, type Sharp } from 'sharp'
import { isBlastyError } from '../../base/errors.ts'
import { type ImageSize, imageFits, imageFormats, scaleImage } from './image.ts'

const blank = (width: number, height: number, create: Partial<Create> = {}): Sharp =>
  sharp({ create: { width, height, channels: 3, background: '#336699', ...create } })

const size: ImageSize = { width: 40, height: 40, fit: 'inside', format: 'webp' }

const refused = (problem: RegExp) => (error: unknown) =>
  isBlastyError(error, 'IMAGE_REFUSED') && problem.test(error.message)

test('each format is scaled to each, inside or covering', async () => {
  const source = blank(300, 200)
  for (const input of [source.png(), source.jpeg(), source.webp(), source.gif(), source.jpeg({ progressive: true })]) {
    const bytes = await input.toBuffer()
    for (const format of imageFormats) {
      for (const fit of imageFits) {
        const scaled = await sharp(await scaleImage(bytes, { ...size, fit, format })).metadata()
        assert.deepEqual([scaled.format, scaled.width, scaled.height], [format, 40, fit === 'cover' ? 40 : 27])
      }
    }
  }
})

test('one side is enough, nothing is enlarged, nothing of the metadata is left, and the image is turned upright', async () => {
  const source = await blank(300, 200).jpeg().withMetadata({ orientation: 6 }).toBuffer()
  const { width: _, ...tall } = size
  const byHeight = await sharp(await scaleImage(source, tall)).metadata()
  assert.deepEqual([byHeight.width, byHeight.height], [27, 40])
  const large = await sharp(await scaleImage(source, { width: 2048, fit: 'inside', format: 'jpeg' })).metadata()
  assert.deepEqual([large.width, large.height, large.orientation, large.exif], [200, 300, undefined, undefined])
})

test('what is transparent becomes white in a JPEG and stays transparent elsewhere', async () => {
  const source = await blank(80, 80, { channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .png()
    .toBuffer()
  const pixel = async (format: ImageSize['format']) => [
    ...(
      await sharp(await scaleImage(source, { ...size, format }))
        .raw()
        .toBuffer()
    ).subarray(0, 4),
  ]
  assert.deepEqual((await pixel('jpeg')).slice(0, 3), [255, 255, 255])
  assert.equal((await pixel('png'))[3], 0)
})

test('of an animation there is the first picture', async () => {
  const pictures = [0, 255].map(grey => ({ background: { r: grey, g: grey, b: grey } }))
  const frames = await Promise.all(pictures.map(picture => blank(60, 60, picture).png().toBuffer()))
  const source = await sharp(frames, { join: { animated: true } })
    .webp()
    .toBuffer()
  assert.equal(
    (
      await sharp(source, { pages: -1 })
        .metadata()
        .catch(() => undefined)
    )?.pages,
    2,
  )
  const scaled = await scaleImage(source, size)
  const { pages = 1, height } = await sharp(scaled).metadata()
  assert.deepEqual([pages, height], [1, 40])
})

test('what is no image, or a broken one, is refused', async () => {
  const png = await blank(200, 200, { noise: { type: 'gaussian', mean: 128, sigma: 30 } })
    .png()
    .toBuffer()
  const jpeg = await blank(200, 200, { noise: { type: 'gaussian', mean: 128, sigma: 30 } })
    .jpeg()
    .toBuffer()
  const cases: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    text: Buffer.from('a text file named image/png'),
    random: randomBytes(1000),
    svg: Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="5" height="5"/></svg>',
    ),
    tiff: await blank(20, 20).tiff().toBuffer(),
    'half a PNG': png.subarray(0, png.length / 2),
    'half a JPEG': jpeg.subarray(0, jpeg.length / 2),
    'the head of a PNG': png.subarray(0, 33),
  }
  for (const [name, bytes] of Object.entries(cases)) {
    await assert.rejects(scaleImage(bytes, size), refused(/./), name)
  }
})

test('an image that is small as a file and huge when decoded is refused before it is decoded', async () => {
  await assert.rejects(scaleImage(bombPng(30_000, 30_000), size), refused(/pixel/))
  await assert.rejects(scaleImage(bombPng(7_000, 7_000, 16), size), refused(/too much/))
  // Of the size allowed, and all the same: 900 pixels a byte.
  const white = await sharp(await scaleImage(bombPng(7_000, 7_000), size)).metadata()
  assert.deepEqual([white.width, white.height], [40, 40])
})

test('other work goes on while an image is scaled', async () => {
  const source = await blank(3000, 2000, { noise: { type: 'gaussian', mean: 128, sigma: 30 } })
    .png()
    .toBuffer()
  let scaling = true
  let turns = 0
  const scaled = scaleImage(source, size).finally(() => {
    scaling = false
  })
  while (scaling) {
    turns++
    await new Promise(resolve => setImmediate(resolve))
  }
  await scaled
  assert.ok(turns > 100, `${turns} turns of the event loop`)
})

/** A PNG of nothing but zeros, grey (1 bit a pixel) or RGBA (16 bits a channel). */
function bombPng(width: number, height: number, depth: 1 | 16 = 1): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const framed = Buffer.alloc(body.length + 8)
    framed.writeUInt32BE(data.length, 0)
    body.copy(framed, 4)
    framed.writeUInt32BE(crc32(body), body.length + 4)
    return framed
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head[8] = depth
  head[9] = depth === 1 ? 0 : 6
  const line = 1 + (depth === 1 ? Math.ceil(width / 8) : width * 8)
  const data = deflateSync(Buffer.alloc(depth === 1 ? line * height : line))
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([magic, chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}
