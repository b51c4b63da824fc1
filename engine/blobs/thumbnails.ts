/** Thumbnails of blobs that are images: made when first asked for, kept in the bucket, collected with their blob. */

import { createHash } from 'node:crypto'
import { BlastyError } from '../../base/errors.ts'
import { Admission } from '../sql/admission.ts'
import { readBlob } from './blobs.ts'
import { type BlobPlace, type BlobRef, thumbnailsPrefix } from './content.ts'
import { type ImageSize, maxSourceBytes, scaleImage } from './image.ts'

/** Images decoded at a time in this process, and how many may wait. Each takes a few hundred megabytes at worst. */
const limits = { running: 2, waiting: 64 }
/** Thumbnails kept of one blob; others are made anew each time. */
const maxKept = 32

export type Thumbnail = { readonly content: Buffer; readonly blob: BlobRef }

export class Thumbnails {
  readonly #admission = new Admission(
    limits,
    ({ running, waiting }) =>
      new BlastyError('SERVER_BUSY', { what: 'thumbnails', limit: `${running} at once and ${waiting} waiting` }),
  )

  /**
   * The thumbnail of a blob. It is the caller's duty to know that the blob may be read.
   * @throws IMAGE_REFUSED, BLOB_NOT_FOUND, SERVER_BUSY; the signal's reason
   */
  async of(place: BlobPlace, source: BlobRef, size: ImageSize, signal: AbortSignal): Promise<Thumbnail> {
    const { objects, bucket } = place
    const prefix = `${thumbnailsPrefix}${source.sha256}/`
    const key = `${prefix}${size.width ?? ''}x${size.height ?? ''}-${size.fit}.${size.format}`
    const kept = await objects.get(bucket, key)
    if (kept !== undefined) return thumbnail(kept, size)
    if (source.size > maxSourceBytes) {
      throw new BlastyError('IMAGE_REFUSED', {
        problem: `it has ${source.size} bytes; at most ${maxSourceBytes} are read`,
      })
    }
    const leave = await this.#admission.enter(signal)
    try {
      const content = await scaleImage(await whole(place, source, signal), size)
      const others = await Array.fromAsync(objects.list(bucket, prefix))
      if (others.length < maxKept) await objects.put(bucket, key, content, { type: typeOf(size) })
      return thumbnail(content, size)
    } finally {
      leave()
    }
  }
}

async function whole(place: BlobPlace, source: BlobRef, signal: AbortSignal): Promise<Buffer> {
  const stream = await readBlob(place, source, 0, source.size)
  const stop = () => stream.destroy(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const parts: Buffer[] = []
    for await (const part of stream) parts.push(part as Buffer)
    return Buffer.concat(parts)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const typeOf = ({ format }: ImageSize): string => `image/${format}`

function thumbnail(content: Buffer, size: ImageSize): Thumbnail {
  const sha256 = createHash('sha256').update(content).digest('hex')
  return { content, blob: { sha256, size: content.length, type: typeOf(size) } }
}
