import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { DataType, tableFromIPC } from 'apache-arrow'
import fc, { runs } from '../../test/random.ts'
import { type ArrowStream, arrowStream } from './arrow.ts'
import { columnMemory } from './column-memory.ts'
import { quoteText } from './quote.ts'
import { type ColumnValues, columnValues, resultColumn } from './result.ts'

/** Of each type a few values that differ in what could be taken for another: signs, limits, lengths about those that change how a text lies. */
const values = {
  INTEGER: ['0', '-1', '2147483647', '-2147483648', '128'],
  BIGINT: ['0', '-1', '9223372036854775807', '-9223372036854775808', '4294967296'],
  DOUBLE: ["'NaN'::DOUBLE", "'-Infinity'::DOUBLE", '-0.0', '1e308', '0.1'],
  DATE: ["DATE '1969-12-31'", "DATE '2026-01-31'", "'infinity'::DATE"],
  TIMESTAMP: ["TIMESTAMP '1969-12-31 23:59:59.999999'", "TIMESTAMP '2026-01-31'", "'-infinity'::TIMESTAMP"],
  TIMESTAMPTZ: ["TIMESTAMPTZ '1969-12-31 23:59:59.999999Z'", "'infinity'::TIMESTAMPTZ"],
  VARCHAR: ['', 'a', 'zwölf Bytes', 'twelve bytes', 'thirteen byte', 'Ä💡'.repeat(50), 'x'.repeat(70_000)].map(
    quoteText,
  ),
  JSON: [`'{"a": [1, null]}'::JSON`, "'null'::JSON"],
} as const
type Type = keyof typeof values

const column = fc.constantFrom(...(Object.keys(values) as Type[])).chain(type =>
  fc.record({
    type: fc.constant(type),
    // Most columns have no null, or are full of them.
    nulls: fc.constantFrom(0, 0.3, 1),
    seed: fc.nat(),
  }),
)

/** What an Arrow reader finds in a stream of one batch: of each column how many nulls, and the values. */
function inArrow({ schema, end }: Pick<ArrowStream, 'schema' | 'end'>, batch: Uint8Array) {
  const table = tableFromIPC(Buffer.concat([schema, batch, end]))
  return table.schema.fields.map(({ type }, index) => {
    const column = table.getChildAt(index)
    // The reader has no number for a time without end.
    const values = DataType.isTimestamp(type) ? column?.data.flatMap(({ values }) => [...values]) : [...(column ?? [])]
    return { nulls: column?.nullCount, values }
  })
}

const plain = ({ kind, nulls, values }: ColumnValues) => ({ kind, nulls: [...nulls], values: [...values] })

test('columns read out of memory are those that the client library reads value by value', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(column, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 2_500 }),
        fc.nat(),
        fc.nat(),
        async (columns, rows, one, other) => {
          const expressions = columns.map(({ type, nulls, seed }) => {
            const list = `[${values[type].join(', ')}]::${type}[]`
            const chance = `hash(range, ${seed}) % 1000`
            return `CASE WHEN ${chance} < ${nulls * 1000} THEN NULL ELSE (${list})[1 + (hash(range, ${seed}, 1) % ${values[type].length})::INTEGER] END`
          })
          const result = await connection.run(`SELECT ${expressions.join(', ')} FROM range(${rows})`)
          let read = 0
          for (const chunk of await result.fetchAllChunks()) {
            read += chunk.rowCount
            const [from = 0, to = 0] = [one % (chunk.rowCount + 1), other % (chunk.rowCount + 1)].sort((a, b) => a - b)
            const stream = arrowStream(result.columnNames(), result.columnTypes())
            const vectors = columns.map((_, index) => chunk.getColumnVector(index).slice(from, to - from))
            const copies = columns.flatMap((_, i) => columnMemory(chunk, i, result.columnType(i))?.read(from, to) ?? [])
            assert.deepEqual(
              inArrow(stream, stream.batchOf(to - from, copies)),
              inArrow(stream, stream.batch(to - from, vectors)),
            )
            for (const [index, { type }] of columns.entries()) {
              const memory = columnMemory(chunk, index, result.columnType(index))
              assert.ok(memory, type)
              const wanted = chunk.getColumnVector(index).slice(from, to - from)
              assert.deepEqual(
                plain(memory.read(from, to)),
                plain(columnValues(wanted, resultColumn('', wanted.type))),
                type,
              )
            }
          }
          assert.equal(read, rows)
        },
      ),
      { numRuns: runs(100) },
    )
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
})

test('what was read stays when the block and the connection are gone', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const result = await connection.run("SELECT range::INTEGER, repeat('long ', 10) || range FROM range(2000)")
  const chunk = await result.fetchChunk()
  assert.ok(chunk)
  const [numbers, texts] = [0, 1].map(index => columnMemory(chunk, index, result.columnType(index))?.read(0, 2000))
  chunk.reset()
  connection.closeSync()
  instance.closeSync()
  assert.equal(numbers?.values.at(1999), 1999)
  assert.equal(texts?.values.at(1999), `${'long '.repeat(10)}1999`)
})
