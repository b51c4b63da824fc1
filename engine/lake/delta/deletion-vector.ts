/** Deletion vectors in files: many in one, each found by its descriptor (Delta protocol, Deletion Vector File Storage Format). */

import { randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import { s3Code } from '../../../backends/object-store/store.ts'
import { BlastyError } from '../../../base/errors.ts'
import type { DeletionVector } from './actions.ts'
import { type DeltaLake, lakeName, vectorPath } from './lake.ts'
import { RowSet } from './row-set.ts'
import { fromZ85, toZ85 } from './z85.ts'

const fileVersion = 1
/** Before a vector's bytes stands their number, behind them their CRC-32. */
const frameBytes = 4
/** Sizes and offsets are signed 32-bit numbers. */
const largestFile = 2 ** 31 - 1

/** A set without rows, to be filled. */
export const emptyVector = (): RowSet => new RowSet()

export type PackedVectors = {
  /** The file's path below the root. */
  readonly path: string
  readonly bytes: Buffer
  /** By path of the data file, as the keys that were given. */
  readonly descriptors: ReadonlyMap<string, DeletionVector>
}

/**
 * Packs the vectors of data files, by their paths, into one file. It has to be in the bucket before a commit names it.
 * @throws RangeError when there is nothing to pack or it is 2 GiB and more
 */
export function packVectors(
  vectors: ReadonlyMap<string, Iterable<number>>,
  uuid: string = randomUUID(),
): PackedVectors {
  if (vectors.size === 0) throw new RangeError('there are no deletion vectors to pack')
  const name = toZ85(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
  const parts: Buffer[] = [Buffer.of(fileVersion)]
  const descriptors = new Map<string, DeletionVector>()
  let offset = 1
  for (const [path, positions] of vectors) {
    const rows = positions instanceof RowSet ? positions : new RowSet(positions)
    const data = rows.serialise()
    const size = Buffer.alloc(frameBytes)
    const checksum = Buffer.alloc(frameBytes)
    size.writeUInt32BE(data.length)
    checksum.writeUInt32BE(crc32(data))
    parts.push(size, data, checksum)
    const { cardinality } = rows
    descriptors.set(path, { storageType: 'u', pathOrInlineDv: name, offset, sizeInBytes: data.length, cardinality })
    offset += data.length + 2 * frameBytes
    if (offset > largestFile) throw new RangeError('a file of deletion vectors must be smaller than 2 GiB')
  }
  return { path: vectorPath(uuid), bytes: Buffer.concat(parts), descriptors }
}

/**
 * The path below the root of the file that a descriptor names: 20 characters of UUID, in a folder of what stands before
 * them, which only other engines use. Undefined when it names none.
 */
export function vectorFile({ pathOrInlineDv }: DeletionVector): string | undefined {
  const uuid = pathOrInlineDv.length < 20 ? undefined : fromZ85(pathOrInlineDv.slice(-20))
  if (uuid === undefined) return undefined
  const [, a, b, c, d, e] = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(uuid.toString('hex')) ?? []
  const folder = pathOrInlineDv.slice(0, -20)
  return `${folder === '' ? '' : `${folder}/`}${vectorPath([a, b, c, d, e].join('-'))}`
}

/** Reads one vector. Throws LAKE_CORRUPT when it is missing, damaged or not what its descriptor says. */
export async function readVector(lake: DeltaLake, descriptor: DeletionVector): Promise<RowSet> {
  const corrupt = (problem: string, cause?: unknown) =>
    new BlastyError('LAKE_CORRUPT', { lake: lakeName(lake), problem: `deletion vector ${path}: ${problem}` }, { cause })
  const path = vectorFile(descriptor) ?? descriptor.pathOrInlineDv
  const bytes = await read(lake, path, descriptor).catch(error => {
    throw s3Code(error) === 'NoSuchKey' || s3Code(error) === 'InvalidRange' ? corrupt('it is missing', error) : error
  })
  const { sizeInBytes, cardinality } = descriptor
  if (bytes.length !== sizeInBytes + 2 * frameBytes) throw corrupt('it is cut short')
  if (bytes.readUInt32BE(0) !== sizeInBytes) throw corrupt('its size is another')
  const data = bytes.subarray(frameBytes, frameBytes + sizeInBytes)
  if (bytes.readUInt32BE(frameBytes + sizeInBytes) !== crc32(data)) throw corrupt('its checksum is another')
  const rows = parse(data, corrupt)
  if (rows.cardinality !== cardinality) throw corrupt(`it names ${rows.cardinality} rows, not ${cardinality}`)
  return rows
}

async function read(lake: DeltaLake, path: string, { offset, sizeInBytes }: DeletionVector): Promise<Buffer> {
  const length = sizeInBytes + 2 * frameBytes
  return buffer(await lake.objects.download(lake.bucket, `${lake.root}/${path}`, offset, length))
}

function parse(data: Buffer, corrupt: (problem: string, cause: unknown) => BlastyError): RowSet {
  try {
    return RowSet.parse(data)
  } catch (error) {
    throw error instanceof RangeError ? corrupt(error.message, error) : error
  }
}
