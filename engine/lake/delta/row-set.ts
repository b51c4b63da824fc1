/** A set of row positions in the 64-bit form of a deletion vector (Delta protocol, Deletion Vector Format). */

import { RoaringBitmap32 } from 'roaring-wasm'

const magic = 1681511377
const bucketSpan = 2 ** 32
/** Magic number and number of buckets. */
const headerBytes = 12
/** The greatest high half of a position that a number holds exactly. */
const highestBucket = 2 ** 21 - 1

/** Positions of rows in a file, counted from 0, below 2^53. Iterates in ascending order. */
export class RowSet {
  /** 32-bit sets by the high half of their positions. Their memory is freed when they are collected. */
  readonly #buckets = new Map<number, RoaringBitmap32>()

  constructor(positions: Iterable<number> = []) {
    this.add(positions)
  }

  /** Adds rows; those that are there already change nothing. Throws RangeError for what is no position, adding nothing. */
  add(positions: Iterable<number>): this {
    const lows = new Map<number, number[]>()
    for (const position of positions) {
      if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`${position} is no position of a row`)
      const high = Math.floor(position / bucketSpan)
      const bucket = lows.get(high)
      if (bucket === undefined) lows.set(high, [position % bucketSpan])
      else bucket.push(position % bucketSpan)
    }
    for (const [high, low] of lows) this.#bucket(high).addMany(low)
    return this
  }

  has(position: number): boolean {
    return this.#buckets.get(Math.floor(position / bucketSpan))?.has(position % bucketSpan) ?? false
  }

  /** How many rows are in the set. */
  get cardinality(): number {
    return this.#sorted().reduce((sum, [, bucket]) => sum + bucket.size, 0)
  }

  *[Symbol.iterator](): Generator<number> {
    for (const [high, bucket] of this.#sorted()) {
      for (const low of bucket) yield high * bucketSpan + low
    }
  }

  /** The bytes of the vector, without size and checksum of the file that holds them. */
  serialise(): Buffer {
    const buckets = this.#sorted()
    const header = Buffer.alloc(headerBytes)
    header.writeUInt32LE(magic, 0)
    header.writeBigUInt64LE(BigInt(buckets.length), 4)
    const parts: Uint8Array[] = [header]
    for (const [high, bucket] of buckets) {
      const key = Buffer.alloc(4)
      key.writeUInt32LE(high)
      bucket.runOptimize()
      parts.push(key, bucket.serialize('portable'))
    }
    return Buffer.concat(parts)
  }

  /** Throws RangeError when the bytes are anything but one vector. Check their checksum first. */
  static parse(bytes: Buffer): RowSet {
    if (bytes.length < headerBytes || bytes.readUInt32LE(0) !== magic) throw new RangeError('it has no magic number')
    const rows = new RowSet()
    let at = headerBytes
    let before = -1
    for (let left = bytes.readBigUInt64LE(4); left > 0n; left--) {
      if (bytes.length < at + 4) throw new RangeError('it is cut short')
      const high = bytes.readUInt32LE(at)
      if (high <= before || high > highestBucket) throw new RangeError(`its bucket ${high} is out of order or range`)
      const bucket = parseBucket(bytes.subarray(at + 4))
      rows.#buckets.set(high, bucket)
      before = high
      at += 4 + bucket.getSerializationSizeInBytes('portable')
    }
    if (at !== bytes.length) throw new RangeError('its length does not fit its content')
    return rows
  }

  #bucket(high: number): RoaringBitmap32 {
    const found = this.#buckets.get(high) ?? new RoaringBitmap32()
    this.#buckets.set(high, found)
    return found
  }

  #sorted(): [number, RoaringBitmap32][] {
    return [...this.#buckets].sort(([a], [b]) => a - b)
  }
}

function parseBucket(bytes: Buffer): RoaringBitmap32 {
  try {
    return RoaringBitmap32.deserialize('portable', bytes)
  } catch (cause) {
    throw new RangeError('its bitmap cannot be read', { cause })
  }
}
