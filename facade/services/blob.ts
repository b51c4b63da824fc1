/** BlobService: streams blobs in and out. A blob is read through the row and column that name it. */

import { BlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { type BlobRef, maxBlobBytes, presignBlob, readBlob, storeBlob } from '../../engine/blobs/blobs.ts'
import type {
  BlobService,
  DownloadRequest,
  UploadHeader,
  UploadRequest,
} from '../../proto/gen/blasty/v1/blob_service_pb.js'
import type { CallContext, ServiceImplementation } from '../grpc/context.ts'
import { keyOf } from './json.ts'
import { rowAt } from './rows.ts'
import type { Scope } from './scope.ts'

const defaultType = 'application/octet-stream'
const defaultExpirySeconds = 300
const maxExpirySeconds = 900

export function blobService(scope: Scope): ServiceImplementation<typeof BlobService> {
  return {
    async upload(requests, context) {
      const incoming = requests[Symbol.asyncIterator]()
      const header = headerOf(await incoming.next())
      const { table, backends } = scope.table(context.identity, header.table, 'header.table', 'WriteBlob')
      const blob = await storeBlob(backends.objects, table.descriptor.bucket, chunksOf(incoming), expectedOf(header))
      return { blob: messageOf(blob) }
    },
    download: (request, context) => download(scope, request, context),
    async presignUpload() {
      throw new BlastyError('UNSUPPORTED', {
        what: 'uploading straight to the object store',
        instead: 'use Upload, which checks the content on its way',
      })
    },
    async presignDownload({ table, keyJson, column, expiresInSeconds }, context) {
      const seconds = expiresInSeconds === 0 ? defaultExpirySeconds : expiresInSeconds
      if (seconds > maxExpirySeconds) {
        throw new BlastyError('INVALID_ARGUMENT', {
          field: 'expires_in_seconds',
          problem: `must be at most ${maxExpirySeconds}`,
        })
      }
      const { served, blob } = await blobOf(scope, { table, keyJson, column, minToken: undefined }, context)
      const url = await presignBlob(served.backends.objects, served.table.descriptor.bucket, blob, seconds)
      const expires = Math.floor(Date.now() / 1000) + seconds
      return { url, blob: messageOf(blob), expireTime: { seconds: BigInt(expires) } }
    },
  }
}

async function* download(scope: Scope, request: DownloadRequest, context: CallContext) {
  const { served, blob } = await blobOf(scope, request, context)
  const { table } = served
  const offset = Number(request.offset)
  if (offset < 0 || offset > blob.size) {
    throw new BlastyError('INVALID_ARGUMENT', { field: 'offset', problem: `must be between 0 and ${blob.size}` })
  }
  if (request.length < 0n)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'length', problem: 'must not be negative' })
  const rest = blob.size - offset
  const length = request.length === 0n ? rest : Math.min(rest, Number(request.length))
  yield {
    part: { case: 'header' as const, value: { blob: messageOf(blob), offset: BigInt(offset), length: BigInt(length) } },
  }
  if (length === 0) return
  const { bucket } = table.descriptor
  const stream = await readBlob(served.backends.objects, bucket, table.log.table, blob, offset, length)
  context.signal.addEventListener('abort', () => stream.destroy(context.signal.reason), { once: true })
  if (context.signal.aborted) stream.destroy(context.signal.reason)
  for await (const chunk of stream) yield { part: { case: 'chunk' as const, value: chunk as Uint8Array } }
}

/** The blob that a column of a row names now. */
async function blobOf(
  scope: Scope,
  request: Pick<DownloadRequest, 'table' | 'keyJson' | 'column' | 'minToken'>,
  context: CallContext,
): Promise<{ readonly served: ServedTable; readonly blob: BlobRef }> {
  const served = scope.table(context.identity, request.table, 'table', 'ReadBlob')
  const { table } = served
  const column = table.schemas.current.columns.find(({ name, type }) => name === request.column && type === 'Blob')
  if (column === undefined)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'column', problem: 'is no Blob column of the table' })
  const { encoded } = keyOf(table, request.keyJson, 'key_json')
  const { row } = await rowAt(table, encoded, request.minToken, context)
  const value = row.row(table.schemas.codec)[column.name]
  if (value === null || value === undefined) throw new BlastyError('BLOB_NOT_FOUND', { table: table.log.table })
  return { served, blob: value as BlobRef }
}

const messageOf = ({ sha256, size, type }: BlobRef) => ({ sha256, size: BigInt(size), type })

function headerOf(first: IteratorResult<UploadRequest>): UploadHeader {
  if (!first.done && first.value.part.case === 'header') return first.value.part.value
  throw new BlastyError('INVALID_ARGUMENT', { field: 'part', problem: 'the first message must be header' })
}

function expectedOf({ expectedSha256, expectedSize, contentType }: UploadHeader) {
  const size = expectedSize === undefined ? undefined : Number(expectedSize)
  if (size !== undefined && (size < 0 || size > maxBlobBytes)) {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'header.expected_size',
      problem: `must be 0 to ${maxBlobBytes}`,
    })
  }
  if (expectedSha256 !== '' && !/^[0-9a-f]{64}$/.test(expectedSha256)) {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'header.expected_sha256',
      problem: 'must be 64 lower-case hex digits',
    })
  }
  const type = contentType === '' ? defaultType : contentType
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(type) || type.length > 128) {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'header.content_type',
      problem: 'must be a media type such as image/jpeg',
    })
  }
  return {
    type,
    ...(expectedSha256 === '' ? {} : { sha256: expectedSha256 }),
    ...(size === undefined ? {} : { size }),
  }
}

async function* chunksOf(incoming: AsyncIterator<UploadRequest>): AsyncGenerator<Uint8Array> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const { part } = next.value
    if (part.case !== 'chunk')
      throw new BlastyError('INVALID_ARGUMENT', { field: 'part', problem: 'only chunks may follow header' })
    yield part.value
  }
}
