import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../../base/errors.ts'
import fc, { runs } from '../../../test/random.ts'
import { emptyVector, packVectors, readVector, vectorFile } from './deletion-vector.ts'
import type { DeltaLake } from './lake.ts'
import { RowSet } from './row-set.ts'
import { type TestLake, testLake } from './testing.ts'
import { fromZ85, toZ85 } from './z85.ts'

let own: TestLake
let lake: DeltaLake
before(async () => {
  own = await testLake()
  lake = own.lake
})
after(() => own.close())

const upload = async (packed: { path: string; bytes: Buffer }) => {
  await lake.objects.put(lake.bucket, `${lake.root}/${packed.path}`, packed.bytes)
}
const corrupt = (problem: RegExp) => (error: unknown) =>
  isBlastyError(error, 'LAKE_CORRUPT') && problem.test(error.message)

const position = fc.oneof(fc.nat(100_000), fc.nat(2 ** 32 - 1), fc.maxSafeNat())

test('rows that are added are the rows that are read back, in order and each once, also beyond 2^32', () => {
  fc.assert(
    fc.property(fc.array(position), fc.array(position), (first, second) => {
      const rows = RowSet.parse(new RowSet(first).serialise()).add(second)
      const expected = [...new Set([...first, ...second])].sort((a, b) => a - b)
      assert.deepEqual([...RowSet.parse(rows.serialise())], expected)
      assert.equal(rows.cardinality, expected.length)
      assert.ok(expected.every(row => rows.has(row)))
      assert.equal(rows.has((expected.at(-1) ?? 0) + 1), false)
    }),
  )
})

test('the bytes are those of the protocol, whose example of six rows holds the same bitmap behind an older header', () => {
  const example = fromZ85('wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L')
  assert.ok(example)
  const bytes = new RowSet([3, 4, 7, 11, 18, 29]).serialise()
  assert.equal(bytes.subarray(0, 16).toString('hex'), 'd1d33964' + '0100000000000000' + '00000000')
  assert.deepEqual(bytes.subarray(16), example.subarray(12))
  assert.throws(() => RowSet.parse(example), RangeError)
})

test('Z85 is that of ZeroMQ, and what is not Z85 is seen not to be', () => {
  assert.equal(toZ85(Buffer.from('864fd26fb559f75b', 'hex')), 'HelloWorld')
  assert.equal(fromZ85('HelloWorld')?.toString('hex'), '864fd26fb559f75b')
  for (const wrong of ['Hell', 'Hell"', '%####', '€€€€€']) assert.equal(fromZ85(wrong), undefined, wrong)
  assert.throws(() => toZ85(Buffer.alloc(3)), RangeError)
})

test('a position that is none is refused, and nothing of its batch is added', () => {
  const rows = emptyVector()
  for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => rows.add([1, wrong]), RangeError)
  assert.equal(rows.cardinality, 0)
})

test('bytes that are cut off or changed are refused or are another vector, never a crash', () => {
  const bytes = new RowSet([1, 2, 3, 100_000, 2 ** 33, ...Array(5000).keys()]).serialise()
  for (let length = 0; length < bytes.length; length += 3) {
    assert.throws(() => RowSet.parse(bytes.subarray(0, length)), RangeError)
  }
  assert.throws(() => RowSet.parse(Buffer.concat([bytes, Buffer.of(0)])), RangeError)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
      const changed = Buffer.from(bytes)
      changed[at] = value
      try {
        RowSet.parse(changed)
      } catch (error) {
        assert.ok(error instanceof RangeError)
      }
    }),
    { numRuns: runs(2000) },
  )
})

test('many vectors in one file are each found by their descriptor, an empty one too', async () => {
  const vectors = new Map<string, Iterable<number>>([
    ['part-1.parquet', [0]],
    ['part-2.parquet', emptyVector()],
    ['part-ü.parquet', Array.from({ length: 200_000 }, (_, row) => row * 3)],
    ['part-4.parquet', new RowSet([7, 2 ** 40])],
  ])
  const packed = packVectors(vectors)
  await upload(packed)
  assert.deepEqual([...packed.descriptors.keys()], [...vectors.keys()])
  for (const [path, descriptor] of packed.descriptors) {
    assert.equal(vectorFile(descriptor), packed.path)
    const rows = await readVector(lake, descriptor)
    assert.deepEqual([...rows], [...(vectors.get(path) ?? [])])
    assert.equal(descriptor.cardinality, rows.cardinality)
  }
  assert.throws(() => packVectors(new Map()), RangeError)
})

test('the file of a descriptor is that of the protocol, also in the folder that another engine made', () => {
  const named = (pathOrInlineDv: string) =>
    vectorFile({ storageType: 'u', pathOrInlineDv, offset: 4, sizeInBytes: 40, cardinality: 6 })
  assert.equal(named('ab^-aqEH.-t@S}K{vb[*k^'), 'ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin')
  assert.equal(named('^-aqEH.-t@S}K{vb[*k^'), 'deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin')
  assert.equal(named('too short'), undefined)
})

test('a vector that is missing, cut short, changed or another than announced is never taken for one', async () => {
  const packed = packVectors(new Map([['a', [1, 2, 3]]]))
  const descriptor = packed.descriptors.get('a')
  assert.ok(descriptor)
  await assert.rejects(readVector(lake, descriptor), corrupt(/is missing/))
  await assert.rejects(readVector(lake, { ...descriptor, pathOrInlineDv: 'x' }), corrupt(/is missing/))
  await upload({ ...packed, bytes: packed.bytes.subarray(0, -5) })
  await assert.rejects(readVector(lake, descriptor), corrupt(/cut short/))
  const changed = Buffer.from(packed.bytes)
  changed.writeUInt8(changed.readUInt8(30) ^ 1, 30)
  await upload({ ...packed, bytes: changed })
  await assert.rejects(readVector(lake, descriptor), corrupt(/checksum/))
  await upload(packed)
  await assert.rejects(readVector(lake, { ...descriptor, cardinality: 4 }), corrupt(/names 3 rows, not 4/))
  await assert.rejects(readVector(lake, { ...descriptor, sizeInBytes: descriptor.sizeInBytes - 1 }), corrupt(/size/))
  await assert.rejects(readVector(lake, { ...descriptor, offset: 1_000_000 }), corrupt(/is missing/))
  assert.deepEqual([...(await readVector(lake, descriptor))], [1, 2, 3])
})
