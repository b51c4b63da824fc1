import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { isBlastyError } from '../../base/errors.ts'
import fc, { runs } from '../../test/random.ts'
import { keyDecoder, keyEncoder } from './key.ts'
import type { Column, Row, TableSchema } from './schema.ts'

const column = (name: string, type: Column['type'], rest: Partial<Column> = {}): Column => ({
  name,
  type,
  required: true,
  field: 1,
  ...rest,
})

const pad = (number: number, length: number) => String(number).padStart(length, '0')
const day = fc
  .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map(date => date.toISOString().slice(-24, -14).padStart(10, '0'))
const decimal = fc.bigInt({ min: -(10n ** 20n) + 1n, max: 10n ** 20n - 1n }).map(value => {
  const digits = (value < 0n ? -value : value).toString().padStart(5, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -4)}.${digits.slice(-4)}`
})
const kinds: readonly (readonly [column: Column, sql: string, values: fc.Arbitrary<string | number | boolean>])[] = [
  [
    column('s', 'String'),
    'VARCHAR',
    fc.string({ unit: 'binary', maxLength: 6 }).map(text => text.replaceAll('\0', '')),
  ],
  [column('i', 'Int32'), 'INTEGER', fc.integer()],
  [column('l', 'Int64'), 'BIGINT', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)],
  [column('d', 'Decimal', { precision: 24, scale: 4 }), 'DECIMAL(24, 4)', decimal],
  [column('b', 'Boolean'), 'BOOLEAN', fc.boolean()],
  [column('day', 'Date'), 'DATE', day],
  [
    column('at', 'Timestamp'),
    'TIMESTAMPTZ',
    fc.tuple(day, fc.nat(86399), fc.nat(999999)).map(([date, seconds, micros]) => {
      const [hour, minute, second] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
      return `${date}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}.${pad(micros, 6)}Z`
    }),
  ],
  [column('u', 'UUID'), 'UUID', fc.uuid()],
  [column('y', 'Bytes'), 'BLOB', fc.uint8Array({ maxLength: 5 }).map(bytes => Buffer.from(bytes).toString('base64'))],
]

test('encoded keys sort as the database sorts the tuples, and differ exactly when the tuples do', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...kinds.keys()), { minLength: 1, maxLength: 3 }).chain(chosen => {
        const parts = chosen.flatMap(index => kinds[index] ?? [])
        const columns = chosen.map((index, place) => ({
          ...(kinds[index]?.[0] ?? column('x', 'String')),
          name: `c${place}`,
        }))
        const types = chosen.map(index => kinds[index]?.[1] ?? '')
        const values =
          parts.length === 0
            ? fc.constant<(string | number | boolean)[]>([])
            : fc.tuple(...chosen.map(index => kinds[index]?.[2] ?? fc.constant('')))
        return fc.record({
          columns: fc.constant(columns),
          types: fc.constant(types),
          tuples: fc.array(values, { minLength: 2, maxLength: 12 }),
        })
      }),
      async ({ columns, types, tuples }) => {
        const schema: TableSchema = { number: 1, columns, retired: [], primaryKey: columns.map(({ name }) => name) }
        const encode = keyEncoder(schema)
        const keys = tuples.map(tuple =>
          encode(Object.fromEntries(columns.map(({ name }, i) => [name, tuple[i] ?? ''])) as Row),
        )
        const decode = keyDecoder(schema)
        tuples.forEach((tuple, n) => {
          const wanted = Object.fromEntries(columns.map(({ name }, i) => [name, tuple[i]]))
          assert.deepEqual(decode(keys[n] ?? Buffer.alloc(0)), wanted, 'a key is read back as it was')
        })
        const literal = (value: unknown, i: number) => {
          const text = `'${String(value).replaceAll("'", "''")}'`
          return types[i] === 'BLOB' ? `from_base64(${text})` : `CAST(${text} AS ${types[i]})`
        }
        const rows = tuples.map((tuple, n) => `(${n}, ${tuple.map(literal).join(', ')})`)
        const names = columns.map(({ name }) => name)
        const sql = `SELECT n, dense_rank() OVER (ORDER BY ${names.join(', ')}) FROM (VALUES ${rows.join(', ')}) t(n, ${names.join(', ')})`
        const ranked = (await connection.runAndReadAll(sql))
          .getRowsJS()
          .map(([n, rank]) => ({ n: Number(n), rank: Number(rank) }))
        for (const a of ranked) {
          for (const b of ranked) {
            const order = Buffer.compare(keys[a.n] ?? Buffer.alloc(0), keys[b.n] ?? Buffer.alloc(0))
            assert.equal(
              order,
              Math.sign(a.rank - b.rank),
              `${JSON.stringify(tuples[a.n])} and ${JSON.stringify(tuples[b.n])}`,
            )
          }
        }
      },
    ),
    { numRuns: runs(60) },
  )
  connection.closeSync()
  instance.closeSync()
})

test('a key of more than 1,024 bytes is refused with its length', () => {
  const encode = keyEncoder({ number: 1, columns: [column('s', 'String')], retired: [], primaryKey: ['s'] })
  assert.equal(encode({ s: 'é'.repeat(511) }).length, 1023)
  assert.throws(
    () => encode({ s: 'é'.repeat(512) }),
    error => isBlastyError(error, 'KEY_TOO_LONG') && error.details.bytes === 1025,
  )
})
