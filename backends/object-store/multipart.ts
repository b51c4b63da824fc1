/**
 * Streaming an object in by parts (S3 CreateMultipartUpload and after). The client's own streaming waits for ever when its
 * body breaks off, leaves the parts behind, and takes half a gibibyte of memory when the size is not known.
 */

import type { Client } from 'minio'

/** Bytes that lie in memory at a time; all parts but the last have just that many. S3 wants 5 MiB at least. */
const partBytes = 8 * 1024 * 1024

export type MultipartClient = Pick<
  Client,
  'putObject' | 'initiateNewMultipartUpload' | 'uploadPart' | 'completeMultipartUpload' | 'abortMultipartUpload'
>

/** Puts a body of whatever size. When it breaks off, or the store refuses a part, nothing of it is left. */
export async function uploadBody(
  client: MultipartClient,
  bucket: string,
  key: string,
  body: AsyncIterable<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const parts = partsOf(body)
  const first = await parts.next()
  const second = first.done ? first : await parts.next()
  if (second.done) {
    const whole = first.done ? Buffer.alloc(0) : first.value
    await client.putObject(bucket, key, whole, whole.length, headers)
    return
  }
  const upload = await client.initiateNewMultipartUpload(bucket, key, headers)
  try {
    const stored: { part: number; etag: string }[] = []
    const put = async (part: Buffer) => {
      const partNumber = stored.length + 1
      const place = { bucketName: bucket, objectName: key, uploadID: upload, partNumber }
      const { etag } = await client.uploadPart({ ...place, headers: { 'Content-Length': part.length } }, part)
      stored.push({ part: partNumber, etag })
    }
    if (!first.done) await put(first.value)
    await put(second.value)
    for await (const part of parts) await put(part)
    await client.completeMultipartUpload(bucket, key, upload, stored)
  } catch (error) {
    // The store forgets unfinished uploads in time by itself; that it could not be told now matters less than why.
    await client.abortMultipartUpload(bucket, key, upload).catch(() => {})
    throw error
  }
}

async function* partsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    for (let rest = chunk; rest.length > 0; ) {
      const piece = rest.subarray(0, partBytes - size)
      rest = rest.subarray(piece.length)
      held.push(piece)
      size += piece.length
      if (size < partBytes) continue
      yield Buffer.concat(held)
      held = []
      size = 0
    }
  }
  if (size > 0) yield Buffer.concat(held)
}
