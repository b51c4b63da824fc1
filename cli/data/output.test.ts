/** What is printed can be read back: null is not the empty text, and no value breaks its line. */

import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { ColumnSchema } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { ColumnType } from '../../proto/gen/blasty/v1/common_pb.js'
import { UsageError } from './failure.ts'
import { csvLine, type Format, JsonText, printRows, type Values } from './output.ts'
import { keyJson, typeName } from './schema.ts'

async function printed(format: Format, columns: readonly string[], ...rows: readonly Values[]): Promise<string> {
  let text = ''
  const out = new Writable({
    write: (piece, _, done) => {
      text += String(piece)
      done()
    },
  })
  const sink = printRows(columns, format, out)
  for (const row of rows) await sink.write([row])
  await sink.end()
  return text
}

test('CSV tells null from the empty text, and quotes what would break a line', async () => {
  const row = [null, undefined, '', 'a', 'a,b', '"', 'x\ny', ' a', { a: 1 }, false, 0]
  assert.equal(csvLine(row), ',,"",a,"a,b","""","x\ny"," a","{""a"":1}",false,0\n')
  assert.equal(await printed('csv', ['a', 'b']), 'a,b\n')
  assert.equal(await printed('csv', ['a', 'b'], [1, null], ['x', '']), 'a,b\n1,\nx,""\n')
})

test('JSON keeps the digits of numbers that JavaScript would round', async () => {
  assert.equal(
    await printed('json', ['n', 'a'], [new JsonText('[9223372036854775807]')]),
    '{"n":[9223372036854775807],"a":null}\n',
  )
  assert.equal(await printed('json', ['n'], ['line\n"']), '{"n":"line\\n\\""}\n')
})

test('a table shows a thousand rows and asks for no more', async () => {
  const sink = printRows(['n'], 'table', new Writable({ write: (_piece, _encoding, done) => done() }))
  assert.equal(await sink.write(Array.from({ length: 1000 }, (_, i) => [i])), true)
  assert.equal(await sink.write([[1000]]), false)
  assert.match(await printed('table', ['n', 'text'], [1, null]), /│ 1 │ +│/)
})

test('keys are JSON, a value alone, or named values, each of its type', () => {
  const column = (name: string, type: ColumnType) => create(ColumnSchema, { name, type })
  const columns = [column('town', ColumnType.STRING), column('n', ColumnType.INT32), column('big', ColumnType.INT64)]
  const one = { columns, primaryKey: ['n'] }
  const two = { columns, primaryKey: ['town', 'big'] }
  assert.equal(keyJson(one, '7'), '{"n":7}')
  assert.equal(keyJson(one, 'n=7'), '{"n":7}')
  assert.equal(keyJson(one, 'seven'), '{"n":"seven"}')
  assert.equal(keyJson(two, 'town=a=b,big=9223372036854775807'), '{"town":"a=b","big":"9223372036854775807"}')
  assert.equal(keyJson(two, '{"town":"x, y","big":"1"}'), '{"town":"x, y","big":"1"}')
  assert.equal(keyJson(two, 'town=a', true), '{"town":"a"}')
  assert.throws(() => keyJson(two, 'town=a'), UsageError)
  assert.throws(() => keyJson(two, 'a'), UsageError)
  assert.throws(() => keyJson({ columns, primaryKey: [] }, 'a'), UsageError)
})

test('types are named as a manifest names them', () => {
  const type = (init: Parameters<typeof create<typeof ColumnSchema>>[1]) => typeName(create(ColumnSchema, init))
  assert.equal(type({ type: ColumnType.GEO_POINT }), 'GeoPoint')
  assert.equal(type({ type: ColumnType.UUID }), 'UUID')
  assert.equal(type({ type: ColumnType.INT32 }), 'Int32')
  assert.equal(
    type({ type: ColumnType.ARRAY, itemType: ColumnType.DECIMAL, precision: 5, scale: 1 }),
    'Array<Decimal(5, 1)>',
  )
})
