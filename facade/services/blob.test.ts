/** Blobs through the facade's services, on the real store and log: up, onto a row, and down again in every way. */

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import sharp from 'sharp'
import { type ErrorCode, isBlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { type BlobRef, blobsPrefix } from '../../engine/blobs/content.ts'
import { chunksOf, hashOf, refOf, type TestBucket, testBucket } from '../../engine/blobs/testing.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import {
  CompleteUploadRequestSchema,
  type DownloadHeaderSchema,
  DownloadRequestSchema,
  PresignDownloadRequestSchema,
  PresignUploadRequestSchema,
  ThumbnailFit,
  ThumbnailFormat,
  type ThumbnailSchema,
  type UploadRequest,
  UploadRequestSchema,
} from '../../proto/gen/blasty/v1/blob_service_pb.js'
import type { TokenSchema } from '../../proto/gen/blasty/v1/common_pb.js'
import { ImportRequestSchema, WriteRequestSchema } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { blobService } from './blob.ts'
import { mutationService } from './mutation.ts'
import type { Scope } from './scope.ts'
import { callContext, type ServedForTest, servedTable } from './testing.ts'

const schema: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'String', required: true, field: 1 },
    { name: 'title', type: 'String', required: false, field: 2 },
    { name: 'poster', type: 'Blob', required: false, field: 3 },
  ],
  retired: [],
  primaryKey: ['id'],
}
const table = { namespace: 'test', name: 'films' }

let bucket: TestBucket
let served: ServedForTest
before(async () => {
  bucket = await testBucket()
  served = await servedTable(schema, bucket)
})
after(async () => {
  await served.on.close()
  await bucket.close()
})

const service = () => blobService(served.scope)
const failsWith = (code: ErrorCode) => (error: unknown) => isBlastyError(error, code)
const messageOf = ({ sha256, size, type }: BlobRef) => ({ sha256, size: BigInt(size), type })

async function upload(bytes: Buffer, contentType = 'image/png'): Promise<BlobRef> {
  async function* parts(): AsyncGenerator<UploadRequest> {
    const header = { table, contentType, expectedSha256: hashOf(bytes), expectedSize: BigInt(bytes.length) }
    yield create(UploadRequestSchema, { part: { case: 'header', value: header } })
    for await (const value of chunksOf(bytes)) yield create(UploadRequestSchema, { part: { case: 'chunk', value } })
  }
  const { blob } = await service().upload(parts(), callContext())
  assert.deepEqual(blob, messageOf(refOf(bytes, contentType)))
  return refOf(bytes, contentType)
}

type Token = MessageInitShape<typeof TokenSchema>
/** Of the last write: what is read is at least that new. */
let minToken: Token = {}

async function put(row: object, mutationId = '', scope: Pick<Scope, 'table'> = served.scope) {
  const operation = { case: 'putRowJson' as const, value: JSON.stringify(row) }
  const request = create(WriteRequestSchema, { table, mutationId, mutations: [{ operation }] })
  const written = await mutationService(scope, async () => true).write(request, callContext())
  minToken = written.token ?? {}
  return written
}

type Wanted = { offset?: bigint; length?: bigint; thumbnail?: MessageInitShape<typeof ThumbnailSchema> }

async function download(id: string, wanted: Wanted = {}) {
  const keyJson = JSON.stringify({ id })
  const message = create(DownloadRequestSchema, { table, keyJson, column: 'poster', minToken, ...wanted })
  const chunks: Uint8Array[] = []
  let header: MessageInitShape<typeof DownloadHeaderSchema> | undefined
  for await (const { part } of service().download(message, callContext())) {
    if (part?.case === 'header') header = part.value
    if (part?.case === 'chunk') chunks.push(part.value)
  }
  const bytes = Buffer.concat(chunks)
  assert.equal(Number(header?.length), bytes.length)
  return { bytes, header }
}

test('a blob is uploaded, put on a row, and read whole, in ranges and from its end', async () => {
  const bytes = randomBytes(200_000)
  const poster = await upload(bytes)
  await put({ id: 'a', title: 'A', poster })
  assert.ok((await download('a')).bytes.equals(bytes))
  const ranges: [offset: number, length: number, from: number, to: number][] = [
    [0, 1, 0, 1],
    [199_999, 10, 199_999, 200_000],
    [100, 70_000, 100, 70_100],
    [200_000, 0, 200_000, 200_000],
    [200_000, 5, 200_000, 200_000],
    [-1, 0, 199_999, 200_000],
    [-500, 100, 199_500, 199_600],
    [-300_000, 0, 0, 200_000],
  ]
  for (const [offset, length, from, to] of ranges) {
    const read = await download('a', { offset: BigInt(offset), length: BigInt(length) })
    assert.ok(read.bytes.equals(bytes.subarray(from, to)), `${offset} ${length}`)
    assert.equal(read.header?.offset, BigInt(from))
    assert.equal(read.header?.blob?.sha256, poster.sha256)
  }
  for (const offset of [200_001n, 2n ** 63n - 1n]) {
    await assert.rejects(
      download('a', { offset }),
      error => isBlastyError(error, 'BLOB_RANGE') && error.details.size === 200_000,
    )
  }
  await assert.rejects(download('a', { length: -1n }), failsWith('INVALID_ARGUMENT'))
})

test('a blob of no bytes has no ranges but its end', async () => {
  await put({ id: 'empty', poster: await upload(Buffer.alloc(0)) })
  for (const offset of [0n, -1n]) assert.equal((await download('empty', { offset })).bytes.length, 0)
  await assert.rejects(download('empty', { offset: 1n }), failsWith('BLOB_RANGE'))
})

test('a row that names what was never uploaded is refused, by Write and by Import, with its field', async () => {
  const poster = refOf(randomBytes(10))
  const named = (field: string) => (error: unknown) =>
    isBlastyError(error, 'BLOB_NOT_STORED') && error.violations[0]?.field === field
  await assert.rejects(put({ id: 'b', poster }), named('mutations[0].poster'))
  const rowsJson = [{ id: 'c' }, { id: 'b', poster }].map(row => JSON.stringify(row))
  async function* importing() {
    yield create(ImportRequestSchema, { message: { case: 'open', value: { table, importId: randomUUID() } } })
    yield create(ImportRequestSchema, { message: { case: 'chunk', value: { number: 1n, rowsJson } } })
  }
  const messages = mutationService(served.scope, async () => true).import(importing(), callContext())
  await assert.rejects(Array.fromAsync(messages), named('chunk[1].rows_json[1].poster'))
  await assert.rejects(download('b'), failsWith('ROW_NOT_FOUND'))
  await assert.rejects(download('c'), failsWith('ROW_NOT_FOUND'))
})

test('a row keeps the blob it names however old that is; a blob that was collected cannot be named anew', async () => {
  const poster = await upload(randomBytes(100))
  await put({ id: 'd', poster })
  await bucket.objects.remove(bucket.bucket, await bucket.keys(`${blobsPrefix}${poster.sha256}`))
  // Another process, which does not remember that the blob was there.
  const other = await anotherProcess()
  await put({ id: 'd', title: 'changed', poster }, '', other)
  await assert.rejects(put({ id: 'e', poster }, '', other), failsWith('BLOB_NOT_STORED'))
  await assert.rejects(download('d'), failsWith('BLOB_NOT_FOUND'))
})

test('a write that was committed is answered again by its mutation_id, though its blob is gone by now', async () => {
  const poster = await upload(randomBytes(100))
  const first = await put({ id: 'f', poster }, 'once')
  await put({ id: 'f' })
  await bucket.objects.remove(bucket.bucket, await bucket.keys(`${blobsPrefix}${poster.sha256}`))
  const other = await anotherProcess()
  const again = await put({ id: 'f', poster }, 'once', other)
  assert.deepEqual([again.replayed, again.revision], [true, first.revision])
  await assert.rejects(put({ id: 'f', poster }, 'twice', other), failsWith('BLOB_NOT_STORED'))
})

test('an upload goes straight to the store, and counts when it is completed', async () => {
  const bytes = randomBytes(100_000)
  const poster = refOf(bytes, 'image/jpeg')
  const announce = () =>
    service().presignUpload(create(PresignUploadRequestSchema, { table, blob: messageOf(poster) }), callContext())
  const { url = '', headers = {}, uploadId = '', alreadyStored = false } = await announce()
  assert.equal(alreadyStored, false)
  const complete = create(CompleteUploadRequestSchema, { table, uploadId, blob: messageOf(poster) })
  await assert.rejects(service().completeUpload(complete, callContext()), failsWith('BLOB_NOT_FOUND'))
  const answer = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) })
  assert.equal(answer.status, 200)
  await assert.rejects(put({ id: 'g', poster }), failsWith('BLOB_NOT_STORED'))
  assert.deepEqual((await service().completeUpload(complete, callContext())).blob, messageOf(poster))
  await put({ id: 'g', poster })
  assert.ok((await download('g')).bytes.equals(bytes))
  assert.equal((await announce()).alreadyStored, true)

  const request = create(PresignDownloadRequestSchema, { table, keyJson: '{"id":"g"}', column: 'poster', minToken })
  const presigned = await service().presignDownload(request, callContext())
  const read = await fetch(presigned.url ?? '', { headers: { range: 'bytes=10-19' } })
  assert.deepEqual([read.status, read.headers.get('content-type')], [206, 'image/jpeg'])
  assert.ok(Buffer.from(await read.arrayBuffer()).equals(bytes.subarray(10, 20)))
})

test('an image is read as a thumbnail, whole or a range of it; what is no image is refused', async () => {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 40 }
  const image = await sharp({ create: { width: 900, height: 600, channels: 3, background: 'red', noise } })
    .png()
    .toBuffer()
  await put({ id: 'h', poster: await upload(image) })
  const small = await download('h', { thumbnail: { width: 300 } })
  const { width, height, format } = await sharp(small.bytes).metadata()
  assert.deepEqual([width, height, format], [300, 200, 'webp'])
  assert.partialDeepStrictEqual(small.header?.blob, { sha256: hashOf(small.bytes), type: 'image/webp' })
  const tail = await download('h', { thumbnail: { width: 300 }, offset: -50n })
  assert.ok(tail.bytes.equals(small.bytes.subarray(-50)))
  const thumbnail = { width: 100, height: 100, fit: ThumbnailFit.COVER, format: ThumbnailFormat.PNG }
  const square = await sharp((await download('h', { thumbnail })).bytes).metadata()
  assert.deepEqual([square.width, square.height, square.format], [100, 100, 'png'])

  const unknown: number = 9
  const wrongs: Wanted['thumbnail'][] = [{}, { width: 2049 }, { width: 1, fit: unknown }, { width: 1, format: unknown }]
  for (const wrong of wrongs) {
    await assert.rejects(download('h', { thumbnail: wrong ?? {} }), failsWith('INVALID_ARGUMENT'))
  }
  await put({ id: 'i', poster: await upload(Buffer.from('a text file'), 'image/png') })
  await assert.rejects(download('i', { thumbnail: { width: 300 } }), failsWith('IMAGE_REFUSED'))
})

test('sixteen uploads are taken at a time, 64 wait unread, and the next is told to come again', async () => {
  const gate = Promise.withResolvers<void>()
  const refused = Promise.withResolvers<void>()
  let read = 0
  const blobs = service()
  async function* parts(): AsyncGenerator<UploadRequest> {
    yield create(UploadRequestSchema, { part: { case: 'header', value: { table } } })
    read++
    await gate.promise
    yield create(UploadRequestSchema, { part: { case: 'chunk', value: Buffer.from('x') } })
  }
  const uploads = Array.from({ length: 16 + 64 + 1 }, () =>
    blobs.upload(parts(), callContext()).catch((error: unknown) => {
      refused.resolve()
      return error
    }),
  )
  await refused.promise
  assert.equal(read, 16)
  gate.resolve()
  const failures = (await Promise.all(uploads)).filter(answer => answer instanceof Error)
  assert.deepEqual(
    failures.map(error => isBlastyError(error, 'SERVER_BUSY')),
    [true],
  )
})

test('what is announced is checked before anything is signed or stored', async () => {
  const blob = messageOf(refOf(Buffer.from('x')))
  const wrong: { blob?: ReturnType<typeof messageOf>; expiresInSeconds?: number }[] = [
    {},
    { blob: { ...blob, sha256: '' } },
    { blob: { ...blob, sha256: 'A'.repeat(64) } },
    { blob: { ...blob, size: -1n } },
    { blob: { ...blob, size: 5n * 1024n ** 3n + 1n } },
    { blob: { ...blob, type: '' } },
    { blob: { ...blob, type: 'image/png; charset=x' } },
    { blob: { ...blob, type: `image/${'x'.repeat(128)}` } },
    { blob, expiresInSeconds: 901 },
  ]
  for (const request of wrong) {
    const message = create(PresignUploadRequestSchema, { table, ...request })
    await assert.rejects(service().presignUpload(message, callContext()), failsWith('INVALID_ARGUMENT'))
  }
})

/** The Table as another process serves it. */
async function anotherProcess(): Promise<Pick<Scope, 'table'>> {
  const { table: same } = await served.on.open(randomUUID())
  const again: ServedTable = { ...served.served, table: same }
  return { table: () => again }
}
