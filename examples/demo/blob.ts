/** Posters: one uploaded, put on its film and read back in every way; one put straight into the object store. */
import { createHash } from 'node:crypto'
import type { ServiceClient } from '../../facade/grpc/client.ts'
import { BlobService, ThumbnailFormat } from '../../proto/gen/blasty/v1/blob_service_pb.js'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { callAs, tableRef } from './client.ts'
import { posterPng } from './poster.ts'
import { thousands } from './story.ts'
import type { World } from './world.ts'

const chunkBytes = 64 * 1024
const timeoutMs = 30_000

/** Gives the film a poster. Throws unless it comes back byte for byte, both ways. */
export async function posterOfFilm(world: World, film: { readonly id: number }): Promise<void> {
  const { story, signal } = world
  const options = { signal, timeoutMs }
  using importer = await callAs(world, 'importer')
  using web = await callAs(world, 'web')
  const table = tableRef('films')
  const keyJson = JSON.stringify({ id: film.id })
  const image = posterPng(600, 900)
  const expected = sha256(image)

  const { blob } = await importer.service(BlobService).upload(parts(image, expected), options)
  if (blob === undefined) throw new Error('the upload returned no blob')
  story.say(`uploaded ${thousands(image.length)} bytes, SHA-256 ${blob.sha256.slice(0, 16)}…`)

  const { row } = await importer.service(QueryService).get({ table, keyJson }, options)
  if (row === undefined) throw new Error('the film has no row')
  const poster = { sha256: blob.sha256, size: Number(blob.size), type: blob.type }
  const changed = JSON.stringify({ ...JSON.parse(row.rowJson), poster })
  const operation = { case: 'putRowJson' as const, value: changed }
  const condition = { case: 'ifRevision' as const, value: row.revision }
  const mutations = [{ operation, condition }]
  const { token, revision } = await importer.service(MutationService).write({ table, mutations }, options)
  if (token === undefined) throw new Error('the write returned no token')
  story.say(`put on film ${film.id}, if its row was still at revision ${row.revision}: now ${revision}`)

  const blobs = web.service(BlobService)
  const chunks: Uint8Array[] = []
  for await (const { part } of blobs.download({ table, keyJson, column: 'poster', minToken: token }, options)) {
    if (part.case === 'chunk') chunks.push(part.value)
  }
  checkSame('the download', sha256(...chunks), expected)

  const { url } = await blobs.presignDownload({ table, keyJson, column: 'poster', expiresInSeconds: 60 }, options)
  const response = await fetch(url, { signal })
  if (!response.ok) throw new Error(`the presigned address answers ${response.status}`)
  checkSame('the presigned address', sha256(new Uint8Array(await response.arrayBuffer())), expected)
  story.say('downloaded through the row, and from the object store by a presigned address: the same bytes')

  const small: Uint8Array[] = []
  const thumbnail = { width: 150, format: ThumbnailFormat.WEBP }
  for await (const { part } of blobs.download({ table, keyJson, column: 'poster', thumbnail }, options)) {
    if (part.case === 'header') checkSame('the thumbnail', part.value.blob?.type ?? '', 'image/webp')
    if (part.case === 'chunk') small.push(part.value)
  }
  const bytes = small.reduce((sum, { length }) => sum + length, 0)
  story.say(`the same poster 150 pixels wide, as WebP: ${thousands(bytes)} bytes`)
  await presignedPoster(world, importer.service(BlobService))
}

/** Puts a smaller poster into the object store by plain HTTP. Throws unless the store refuses everything else. */
async function presignedPoster({ story, signal }: World, blobs: ServiceClient<typeof BlobService>): Promise<void> {
  const options = { signal, timeoutMs }
  const table = tableRef('films')
  const image = posterPng(300, 450)
  const blob = { sha256: sha256(image), size: BigInt(image.length), type: 'image/png' }
  const { url, headers, uploadId } = await blobs.presignUpload({ table, blob }, options)
  const put = async (body: Uint8Array<ArrayBuffer>) => {
    const response = await fetch(url, { method: 'PUT', headers, body, signal })
    await response.arrayBuffer()
    return response.status
  }
  const other = await put(new Uint8Array(image.length))
  if (other < 400) throw new Error(`the presigned address took other content: ${other}`)
  const status = await put(new Uint8Array(image))
  if (status !== 200) throw new Error(`the presigned address answers ${status}`)
  await blobs.completeUpload({ table, uploadId, blob }, options)
  story.say(`put ${thousands(image.length)} bytes straight into the object store; other bytes were refused there`)
}

async function* parts(image: Buffer, expectedSha256: string) {
  const header = { table: tableRef('films'), contentType: 'image/png', expectedSha256 }
  yield { part: { case: 'header' as const, value: header } }
  for (let from = 0; from < image.length; from += chunkBytes) {
    yield { part: { case: 'chunk' as const, value: image.subarray(from, from + chunkBytes) } }
  }
}

function sha256(...pieces: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

function checkSame(what: string, actual: string, expected: string): void {
  if (actual !== expected) throw new Error(`${what} gives SHA-256 ${actual}, not ${expected}`)
}
