import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { ColumnValues } from '../../engine/sql/result.ts'
import { Texts } from '../../engine/sql/texts.ts'
import { QueryResponseSchema } from '../../proto/gen/blasty/v1/query_service_pb.js'
import fc, { runs } from '../../test/random.ts'
import { encodedBatch } from './column-batch.ts'

const nulls = fc.uint8Array({ maxLength: 3 })
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 40 })
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

const textsOf = (strings: readonly string[]) => {
  const pieces = strings.map(text => Buffer.from(text))
  const offsets = new Uint32Array(strings.length + 1)
  pieces.forEach((piece, index) => {
    offsets[index + 1] = (offsets[index] ?? 0) + piece.length
  })
  return new Texts(Buffer.concat(pieces), offsets)
}

const column: fc.Arbitrary<ColumnValues> = fc.oneof(
  fc.record({ kind: fc.constant('bools' as const), nulls, values: list(fc.boolean()) }),
  fc.record({ kind: fc.constant('int32s' as const), nulls, values: list(fc.integer()) }),
  fc.record({
    kind: fc.constant('int32s' as const),
    nulls,
    values: list(fc.integer()).map(all => Int32Array.from(all)),
  }),
  fc.record({ kind: fc.constant('int64s' as const), nulls, values: list(int64) }),
  fc.record({ kind: fc.constant('int64s' as const), nulls, values: list(int64).map(all => BigInt64Array.from(all)) }),
  fc.record({ kind: fc.constant('doubles' as const), nulls, values: list(fc.double()) }),
  fc.record({
    kind: fc.constant('doubles' as const),
    nulls,
    values: list(fc.double()).map(all => Float64Array.from(all)),
  }),
  fc.record({ kind: fc.constant('strings' as const), nulls, values: list(fc.string({ unit: 'grapheme' })) }),
  fc.record({
    kind: fc.constant('strings' as const),
    nulls,
    values: list(fc.string({ unit: 'grapheme' })).map(textsOf),
  }),
  fc.record({ kind: fc.constant('bytes' as const), nulls, values: list(fc.uint8Array({ maxLength: 300 })) }),
)

/** The message that the bytes stand for. */
const messageOf = (count: number, columns: readonly ColumnValues[]) =>
  create(QueryResponseSchema, {
    part: {
      case: 'batch',
      value: {
        rows: count,
        columns: columns.map(({ kind, nulls, values }) => ({
          nulls,
          values: { case: kind, value: { values: [...values] } } as never,
        })),
      },
    },
  })

test('rows are encoded as the generated code encodes and decodes them', () => {
  fc.assert(
    fc.property(fc.nat({ max: 3_000 }), fc.array(column, { maxLength: 8 }), (count, columns) => {
      const bytes = encodedBatch(count, columns)
      const message = messageOf(count, columns)
      assert.deepEqual(Buffer.from(bytes), Buffer.from(toBinary(QueryResponseSchema, message)))
      assert.deepEqual(fromBinary(QueryResponseSchema, bytes), message)
    }),
    { numRuns: runs(300) },
  )
})
