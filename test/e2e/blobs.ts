/** Blobs as a client meets them: rows of the Table's own service name them, plain HTTP carries them, policies guard them. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { BlobService } from '../../proto/gen/blasty/v1/blob_service_pb.js'
import { Action } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client } from './client.ts'
import { filmColumns, filmsTable } from './films.ts'
import { reflect } from './reflected.ts'
import { openScene, policyFor, type Scene } from './scene.ts'
import type { Setting } from './setting.ts'
import { refused } from './writes.ts'

type Blob = { readonly sha256: string; readonly size: bigint; readonly type: string }

const blobOf = (bytes: Uint8Array, type: string): Blob => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  size: BigInt(bytes.length),
  type,
})
/** As rows hold it. */
const inRow = ({ size, ...rest }: Blob) => ({ ...rest, size: Number(size) })

export function describeBlobs(setting: () => Setting): void {
  describe('blobs', () => {
    let scene: Scene
    let client: Client
    before(async () => {
      scene = await openScene(setting())
      await scene.apply(filmsTable([...filmColumns, { name: 'poster', type: 'Blob' }]))
      await scene.wait('table/films')
      client = await scene.owner('films')
    })
    after(() => scene?.[Symbol.asyncDispose]())

    const table = () => client.table('films').ref
    const blobs = () => client.connection.service(BlobService)

    async function upload(bytes: Buffer, contentType: string, by = client) {
      async function* parts() {
        yield { part: { case: 'header' as const, value: { table: table(), contentType } } }
        for (let at = 0; at < bytes.length; at += 100_000) {
          yield { part: { case: 'chunk' as const, value: bytes.subarray(at, at + 100_000) } }
        }
      }
      const { blob } = await by.connection.service(BlobService).upload(parts())
      assert.partialDeepStrictEqual(blob, blobOf(bytes, contentType))
      return blobOf(bytes, contentType)
    }

    async function download(id: string, minToken: Token | undefined, wanted = {}): Promise<Buffer> {
      const keyJson = JSON.stringify({ id })
      const request = { table: table(), keyJson, column: 'poster', ...(minToken && { minToken }), ...wanted }
      const chunks: Uint8Array[] = []
      for await (const { part } of blobs().download(request)) if (part.case === 'chunk') chunks.push(part.value)
      return Buffer.concat(chunks)
    }

    it('is uploaded, put on a row by the typed service, and read whole, in part and small', async () => {
      const films = await reflect(client.connection, await scene.field('table/films', '{.status.service}'))
      const image = await sharp({ create: { width: 400, height: 600, channels: 3, background: 'teal' } })
        .png()
        .toBuffer()
      const blob = blobOf(image, 'image/png')
      const poster = { ...blob, size: String(blob.size) }
      await refused('BLOB_NOT_STORED', films.call('Put', { row: { id: 'tt1', poster } }))
      await upload(image, 'image/png')
      await films.call('Put', { row: { id: 'tt1', poster } })
      const { token } = await client.table('films').put([{ id: 'tt2', poster: inRow(blob) }])
      assert.ok((await download('tt1', token)).equals(image))
      assert.ok((await download('tt2', token, { offset: -10n })).equals(image.subarray(-10)))
      await refused('BLOB_RANGE', download('tt2', token, { offset: blob.size + 1n }))
      const small = await sharp(await download('tt1', token, { thumbnail: { height: 60 } })).metadata()
      assert.deepEqual([small.format, small.width, small.height], ['webp', 40, 60])
    })

    it('is put straight into the object store by plain HTTP, and read so', async () => {
      const bytes = randomBytes(250_000)
      const blob = blobOf(bytes, 'application/zip')
      const { url, headers, uploadId } = await blobs().presignUpload({ table: table(), blob })
      assert.equal((await fetch(url, { method: 'PUT', headers, body: 'something else' })).status, 403)
      await refused('BLOB_NOT_FOUND', blobs().completeUpload({ table: table(), uploadId, blob }))
      assert.equal((await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) })).status, 200)
      await refused('BLOB_NOT_STORED', client.table('films').put([{ id: 'tt3', poster: inRow(blob) }]))
      await blobs().completeUpload({ table: table(), uploadId, blob })
      const { token: minToken } = await client.table('films').put([{ id: 'tt3', poster: inRow(blob) }])
      const keyJson = JSON.stringify({ id: 'tt3' })
      const read = { table: table(), keyJson, column: 'poster', ...(minToken && { minToken }) }
      const presigned = await blobs().presignDownload(read)
      const answer = await fetch(presigned.url)
      assert.equal(answer.headers.get('content-type'), 'application/zip')
      assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes))
    })

    it('is stored and read by nobody whom no policy allows to', async () => {
      const writer = await scene.caller()
      await scene.apply(policyFor(writer.serviceAccount, ['films'], ['Get', 'Put']))
      await scene.allowed(writer, 'films', Action.GET)
      const blob = blobOf(Buffer.from('x'), 'text/plain')
      const service = writer.connection.service(BlobService)
      await refused('PERMISSION_DENIED', upload(Buffer.from('x'), 'text/plain', writer))
      await refused('PERMISSION_DENIED', service.presignUpload({ table: table(), blob }))
      await refused('PERMISSION_DENIED', service.completeUpload({ table: table(), blob, uploadId: '' }))
      const read = { table: table(), keyJson: '{"id":"tt1"}', column: 'poster' }
      await refused('PERMISSION_DENIED', service.presignDownload(read))
      await refused('PERMISSION_DENIED', Array.fromAsync(service.download({ ...read, thumbnail: { width: 1 } })))
    })
  })
}
