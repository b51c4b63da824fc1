/** BlobService: blobs in and out, streamed or by presigned addresses. A blob is read through the row and column that name it. */

import { BlastyError } from '../../base/errors.ts'
import { maxBlobBytes, presignBlob, storeBlob } from '../../engine/blobs/blobs.ts'
import type { BlobRef } from '../../engine/blobs/content.ts'
import { completeUpload, presignUpload } from '../../engine/blobs/presigned.ts'
import { Thumbnails } from '../../engine/blobs/thumbnails.ts'
import { Admission } from '../../engine/sql/admission.ts'
import type { BlobService, UploadHeader, UploadRequest } from '../../proto/gen/blasty/v1/blob_service_pb.js'
import type { BlobRef as BlobMessage } from '../../proto/gen/blasty/v1/common_pb.js'
import type { ServiceImplementation } from '../grpc/context.ts'
import { blobOf, download, messageOf } from './blob-download.ts'
import type { Scope } from './scope.ts'

const defaultType = 'application/octet-stream'
const defaultExpirySeconds = 300
const maxExpirySeconds = 900
/** Uploads at a time in this process, each of which may hold two parts of eight mebibytes; those that wait are not read. */
const uploadLimits = { running: 16, waiting: 64 }

export function blobService(scope: Pick<Scope, 'table'>): ServiceImplementation<typeof BlobService> {
  const thumbnails = new Thumbnails()
  const uploads = new Admission(
    uploadLimits,
    ({ running, waiting }) =>
      new BlastyError('SERVER_BUSY', { what: 'uploads', limit: `${running} at once and ${waiting} waiting` }),
  )
  return {
    async upload(requests, context) {
      const incoming = requests[Symbol.asyncIterator]()
      const header = headerOf(await incoming.next())
      const { table } = scope.table(context.identity, header.table, 'header.table', 'WriteBlob')
      const expected = expectedOf(header)
      const leave = await uploads.enter(context.signal)
      try {
        return { blob: messageOf(await storeBlob(table.blobs, chunksOf(incoming), expected)) }
      } finally {
        leave()
      }
    },
    download: (request, context) => download(scope, thumbnails, request, context),
    async presignUpload({ table: ref, blob: message, expiresInSeconds }, context) {
      const { table } = scope.table(context.identity, ref, 'table', 'WriteBlob')
      const blob = announced(message)
      const { seconds, expireTime } = expiryOf(expiresInSeconds)
      const upload = await presignUpload(table.blobs, blob, seconds)
      if (upload === undefined) return { alreadyStored: true }
      const { url, headers, id: uploadId } = upload
      return { url, headers, uploadId, expireTime }
    },
    async completeUpload({ table: ref, uploadId, blob: message }, context) {
      const { table } = scope.table(context.identity, ref, 'table', 'WriteBlob')
      const blob = announced(message)
      await completeUpload(table.blobs, uploadId, blob)
      return { blob: messageOf(blob) }
    },
    async presignDownload(request, context) {
      const { seconds, expireTime } = expiryOf(request.expiresInSeconds)
      const { table, blob } = await blobOf(scope, request, context)
      return { url: await presignBlob(table.blobs, blob, seconds), blob: messageOf(blob), expireTime }
    },
  }
}

function expiryOf(given: number) {
  const seconds = given === 0 ? defaultExpirySeconds : given
  if (seconds > maxExpirySeconds) {
    const problem = `must be at most ${maxExpirySeconds}`
    throw new BlastyError('INVALID_ARGUMENT', { field: 'expires_in_seconds', problem })
  }
  return { seconds, expireTime: { seconds: BigInt(Math.floor(Date.now() / 1000) + seconds) } }
}

function headerOf(first: IteratorResult<UploadRequest>): UploadHeader {
  if (!first.done && first.value.part.case === 'header') return first.value.part.value
  throw new BlastyError('INVALID_ARGUMENT', { field: 'part', problem: 'the first message must be header' })
}

function expectedOf({ expectedSha256, expectedSize, contentType }: UploadHeader) {
  return {
    type: typeIn('header.content_type', contentType === '' ? defaultType : contentType),
    ...(expectedSha256 === '' ? {} : { sha256: hashIn('header.expected_sha256', expectedSha256) }),
    ...(expectedSize === undefined ? {} : { size: sizeIn('header.expected_size', expectedSize) }),
  }
}

function announced(message: BlobMessage | undefined): BlobRef {
  if (message === undefined) throw new BlastyError('INVALID_ARGUMENT', { field: 'blob', problem: 'is required' })
  const { sha256, size, type } = message
  return { sha256: hashIn('blob.sha256', sha256), size: sizeIn('blob.size', size), type: typeIn('blob.type', type) }
}

function hashIn(field: string, given: string): string {
  if (/^[0-9a-f]{64}$/.test(given)) return given
  throw new BlastyError('INVALID_ARGUMENT', { field, problem: 'must be 64 lower-case hex digits' })
}

function sizeIn(field: string, given: bigint): number {
  if (given >= 0n && given <= BigInt(maxBlobBytes)) return Number(given)
  throw new BlastyError('INVALID_ARGUMENT', { field, problem: `must be 0 to ${maxBlobBytes}` })
}

function typeIn(field: string, given: string): string {
  if (/^[\w.+-]+\/[\w.+-]+$/.test(given) && given.length <= 128) return given
  throw new BlastyError('INVALID_ARGUMENT', { field, problem: 'must be a media type such as image/jpeg' })
}

async function* chunksOf(incoming: AsyncIterator<UploadRequest>): AsyncGenerator<Uint8Array> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const { part } = next.value
    if (part.case !== 'chunk')
      throw new BlastyError('INVALID_ARGUMENT', { field: 'part', problem: 'only chunks may follow header' })
    yield part.value
  }
}
