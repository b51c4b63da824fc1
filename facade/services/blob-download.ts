/** Reading blobs for a caller: the one that a row names, a range of it, or a thumbnail. */

import type { MessageInitShape } from '@bufbuild/protobuf'
import { BlastyError } from '../../base/errors.ts'
import { readBlob } from '../../engine/blobs/blobs.ts'
import { blobsOf } from '../../engine/blobs/check.ts'
import type { BlobRef } from '../../engine/blobs/content.ts'
import { type ImageSize, maxImageSide } from '../../engine/blobs/image.ts'
import type { Thumbnails } from '../../engine/blobs/thumbnails.ts'
import type { Table } from '../../engine/table.ts'
import {
  type DownloadRequest,
  type DownloadResponseSchema,
  type Thumbnail,
  ThumbnailFit,
  ThumbnailFormat,
} from '../../proto/gen/blasty/v1/blob_service_pb.js'
import type { CallContext } from '../grpc/context.ts'
import { keyOf } from './json.ts'
import { wholeTable } from './row-view.ts'
import { rowAt } from './rows.ts'
import type { Ref, Scope } from './scope.ts'
import type { TokenMessage } from './token.ts'

/** Bytes of a thumbnail in one message. */
const chunkBytes = 256 * 1024

type Response = MessageInitShape<typeof DownloadResponseSchema>

export async function* download(
  scope: Pick<Scope, 'table'>,
  thumbnails: Thumbnails,
  request: DownloadRequest,
  context: CallContext,
): AsyncGenerator<Response> {
  const size = request.thumbnail === undefined ? undefined : imageSizeOf(request.thumbnail)
  const { table, blob } = await blobOf(scope, request, context)
  if (size !== undefined) {
    const { content, blob: small } = await thumbnails.of(table.blobs, blob, size, context.signal)
    const { offset, length } = rangeOf(request, small)
    yield headerOf(small, offset, length)
    for (let at = offset; at < offset + length; at += chunkBytes) {
      yield chunkOf(content.subarray(at, Math.min(at + chunkBytes, offset + length)))
    }
    return
  }
  const { offset, length } = rangeOf(request, blob)
  const stream = length === 0 ? undefined : await readBlob(table.blobs, blob, offset, length)
  yield headerOf(blob, offset, length)
  if (stream === undefined) return
  const stop = () => stream.destroy(context.signal.reason)
  context.signal.addEventListener('abort', stop, { once: true })
  if (context.signal.aborted) stop()
  for await (const chunk of stream) yield chunkOf(chunk as Uint8Array)
}

/** The Table, and the blob that a column of a row names now. */
export async function blobOf(
  scope: Pick<Scope, 'table'>,
  request: {
    readonly table?: Ref
    readonly keyJson: string
    readonly column: string
    readonly minToken?: TokenMessage
  },
  context: CallContext,
): Promise<{ readonly table: Table; readonly blob: BlobRef }> {
  const { table } = scope.table(context.identity, request.table, 'table', 'ReadBlob')
  const column = table.schemas.current.columns.find(({ name, type }) => name === request.column && type === 'Blob')
  if (column === undefined)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'column', problem: 'is no Blob column of the table' })
  const { encoded } = keyOf(table, request.keyJson, 'key_json')
  const { row } = await rowAt({ table, view: wholeTable }, encoded, request.minToken, context)
  const [named] = blobsOf(row.row(table.schemas.codec), [column.name])
  if (named === undefined) throw new BlastyError('BLOB_NOT_FOUND', { table: table.log.table })
  return { table, blob: named.blob }
}

export const messageOf = ({ sha256, size, type }: BlobRef) => ({ sha256, size: BigInt(size), type })

const headerOf = (blob: BlobRef, offset: number, length: number): Response => ({
  part: { case: 'header', value: { blob: messageOf(blob), offset: BigInt(offset), length: BigInt(length) } },
})

const chunkOf = (value: Uint8Array): Response => ({ part: { case: 'chunk', value } })

/** As in HTTP (RFC 9110, section 14.1.2), a suffix longer than the whole is the whole. */
function rangeOf(request: Pick<DownloadRequest, 'offset' | 'length'>, { size }: BlobRef) {
  const given = Number(request.offset)
  const offset = given < 0 ? Math.max(0, size + given) : given
  if (offset > size) throw new BlastyError('BLOB_RANGE', { offset: request.offset, size })
  if (request.length < 0n)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'length', problem: 'must not be negative' })
  const rest = size - offset
  return { offset, length: request.length === 0n ? rest : Math.min(rest, Number(request.length)) }
}

const fits: Readonly<Record<number, ImageSize['fit']>> = {
  [ThumbnailFit.UNSPECIFIED]: 'inside',
  [ThumbnailFit.INSIDE]: 'inside',
  [ThumbnailFit.COVER]: 'cover',
}
const formats: Readonly<Record<number, ImageSize['format']>> = {
  [ThumbnailFormat.UNSPECIFIED]: 'webp',
  [ThumbnailFormat.WEBP]: 'webp',
  [ThumbnailFormat.JPEG]: 'jpeg',
  [ThumbnailFormat.PNG]: 'png',
}

function imageSizeOf({ width, height, fit: givenFit, format: givenFormat }: Thumbnail): ImageSize {
  if (width === 0 && height === 0) throw invalid('thumbnail', 'width or height is required')
  if (Math.max(width, height) > maxImageSide) throw invalid('thumbnail', `sides are at most ${maxImageSide} pixels`)
  const fit = known(fits, givenFit, 'thumbnail.fit')
  const format = known(formats, givenFormat, 'thumbnail.format')
  return { ...(width && { width }), ...(height && { height }), fit, format }
}

function known<T>(values: Readonly<Record<number, T>>, given: number, field: string): T {
  const value = values[given]
  if (value === undefined) throw invalid(field, 'is none that is known')
  return value
}

const invalid = (field: string, problem: string) => new BlastyError('INVALID_ARGUMENT', { field, problem })
