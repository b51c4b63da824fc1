/** Files of the lake between the bucket and a scratch folder, with a digest that goes along. */

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { s3Code } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'
import { type DeltaLake, keyOfPath, lakeName } from './delta/lake.ts'

/** Tag of an add or cdc action that holds the SHA-256 of the file in hexadecimal. Other engines pass it over. */
export const digestTag = 'blasty.sha256'

/** Uploads a file under a path below the lake's root; returns the tags that go with it. */
export async function uploadFile(lake: DeltaLake, path: string, file: string): Promise<{ [digestTag]: string }> {
  const hash = createHash('sha256')
  const content = async function* () {
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
      const bytes = chunk as Buffer
      hash.update(bytes)
      yield bytes
    }
  }
  await lake.objects.upload(lake.bucket, keyOfPath(lake, path), content(), { type: 'application/vnd.apache.parquet' })
  return { [digestTag]: hash.digest('hex') }
}

export type StoredFile = {
  readonly path: string
  readonly size: number
  readonly tags?: Readonly<Record<string, string>>
}

/**
 * Downloads a file into a folder, under a name of its own, and returns where it lies.
 * @throws LAKE_CORRUPT when it is missing or not what was written
 */
export async function downloadFile(lake: DeltaLake, { path, size, tags }: StoredFile, folder: string): Promise<string> {
  const corrupt = (problem: string, cause?: unknown) =>
    new BlastyError('LAKE_CORRUPT', { lake: lakeName(lake), problem: `${path} ${problem}` }, { cause })
  const file = join(folder, path.replaceAll('/', '_'))
  const hash = createHash('sha256')
  let bytes = 0
  const measure = new Transform({
    transform: (chunk: Buffer, _, done) => {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  const body = await lake.objects.download(lake.bucket, keyOfPath(lake, path)).catch(error => {
    throw s3Code(error) === 'NoSuchKey' ? corrupt('is missing', error) : error
  })
  await pipeline(body, measure, createWriteStream(file)).catch(error => {
    throw new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem: String(error) }, { cause: error })
  })
  const digest = tags?.[digestTag]
  if (bytes === size && (digest === undefined || digest === hash.digest('hex'))) return file
  await rm(file, { force: true })
  throw corrupt('is not what was written: its bytes have changed')
}
