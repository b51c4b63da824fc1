import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clone, fromBinary, type Message, toBinary, toJson } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { isBlastyError } from '../../base/errors.ts'
import type { Json, TableSchema } from '../../engine/schema/schema.ts'
import { compileTableProto, type TableProto } from './table-proto.ts'
import { buf, protoWorkspace, schemaOfEverything } from './testing.ts'

const keyed = (columns: string[]): TableSchema => ({
  number: 1,
  columns: columns.map((name, i) => ({ name, type: 'String', required: false, field: i + 1 })),
  retired: [],
  primaryKey: columns.slice(0, 1),
})
const appendOnly: TableSchema = { ...keyed(['level', 'text']), primaryKey: [] }

describe('the proto file of a Table', () => {
  const tables = [
    compileTableProto('cinema', 'films', schemaOfEverything()),
    compileTableProto('cinema', 'films-service', keyed(['id'])),
    compileTableProto('google', 'protobuf', schemaOfEverything()),
    compileTableProto('blasty', 'v1', schemaOfEverything()),
    compileTableProto('1-a--b-2', 'top-10', keyed(['a_1', 'a1', 'a__1', 'x_', 'message', 'reserved', 'optional'])),
    compileTableProto(
      'import',
      'package',
      keyed(['string', 'repeated', 'oneof', 'syntax', 'constructor', 'to_string']),
    ),
    compileTableProto('logs', 'events', appendOnly),
  ]

  it('is taken by buf without complaint, whatever the names, and means what the server reflects', async () => {
    await using workspace = await protoWorkspace(new Map(tables.map(({ path, text }) => [path, text])))
    await buf(workspace.path, 'lint')
    const built = fromBinary(
      FileDescriptorSetSchema,
      await buf(workspace.path, 'build', '--exclude-source-info', '-o', '-'),
    )
    for (const table of tables) {
      const file = built.file.find(({ name }) => name === table.path)
      assert.ok(file, table.path)
      const plain = clone(FileDescriptorProtoSchema, table.file.proto)
      delete plain.sourceCodeInfo
      // buf adds what it knows of the file beyond the standard descriptor.
      delete file.$unknown
      assert.deepEqual(toJson(FileDescriptorProtoSchema, plain), toJson(FileDescriptorProtoSchema, file))
    }
  })

  it('has the methods that the Table can serve', () => {
    const methods = (table: TableProto) => table.service.methods.map(({ name }) => name)
    assert.deepEqual(methods(compileTableProto('n', 'films', keyed(['id']))), [
      'Get',
      'BatchGet',
      'List',
      'Put',
      'Delete',
      'Watch',
    ])
    const events = compileTableProto('n', 'events', appendOnly)
    assert.deepEqual(methods(events), ['Put', 'Watch'])
    assert.equal(events.key, undefined)
  })

  it('reserves names and numbers of retired columns', () => {
    const { text } = compileTableProto('cinema', 'films', schemaOfEverything())
    assert.match(text, /^ {2}reserved 900, 901;\n {2}reserved "old_name", "older";$/m)
  })

  it('comes with everything it imports, each after what it needs', () => {
    const { descriptorSet, path } = compileTableProto('cinema', 'films', schemaOfEverything())
    const seen = new Set<string>()
    for (const file of descriptorSet.file) {
      for (const needed of file.dependency) assert.ok(seen.has(needed), `${needed} before ${file.name}`)
      seen.add(file.name)
    }
    assert.equal(descriptorSet.file.at(-1)?.name, path)
  })
})

describe('rows as typed messages', () => {
  const schema = schemaOfEverything()
  const table = compileTableProto('cinema', 'films', schema)
  const rowDesc = table.file.messages.find(({ name }) => name === 'FilmsRow')
  assert.ok(rowDesc)
  const throughWire = (message: Message) => fromBinary(rowDesc, toBinary(rowDesc, message))

  const values: Record<string, Json[]> = {
    string: ['', 'Zoë "x"'],
    int32: [0, -2147483648],
    int64: ['0', '-9223372036854775808', '9007199254740993'],
    double: [0, -1.5, 'NaN', 'Infinity', '-Infinity'],
    decimal: ['0.00', '-12345678901234.56'],
    boolean: [true, false],
    date: ['0001-01-01', '9999-12-31'],
    timestamp: ['1970-01-01T00:00:00.000000Z', '0001-01-01T00:00:00.000001Z', '9999-12-31T23:59:59.999999Z'],
    uuid: ['c56a4180-65aa-42ec-a945-5fd21dec0538'],
    bytes: ['', '/+8='],
    json: [{ a: [1, null, { b: 'c' }] }, 'text', 0, [], false],
    geopoint: [{ lat: -90, lon: 0.5 }],
    blob: [{ sha256: '0'.repeat(64), size: 9007199254740991, type: 'image/png' }],
  }

  it('come back as they went, every type, zero values and empty arrays included', () => {
    for (let round = 0; round < 5; round++) {
      const row: Record<string, Json> = {}
      for (const [type, examples] of Object.entries(values)) {
        const example = examples[round % examples.length] ?? null
        Object.assign(row, { [`${type}_one`]: example, [`${type}_maybe`]: example })
        Object.assign(row, {
          [`${type}_list`]: examples.slice(0, round),
          [`${type}_list_maybe`]: examples.slice(0, round),
        })
      }
      assert.deepEqual(table.row.read(throughWire(table.row.write(row)), 'row'), row)
    }
  })

  it('keep null apart from zero values and empty arrays', () => {
    const row: Record<string, Json> = {}
    for (const [type, examples] of Object.entries(values)) {
      Object.assign(row, { [`${type}_one`]: examples[0], [`${type}_maybe`]: null, [`${type}_list`]: [] })
    }
    const read = table.row.read(throughWire(table.row.write(row)), 'row')
    for (const type of Object.keys(values)) {
      assert.ok(!(`${type}_maybe` in read) && !(`${type}_list_maybe` in read), type)
      assert.deepEqual(read[`${type}_list`], [])
    }
  })

  it('name the field of a value that JSON cannot tell', () => {
    const bad = {
      timestampOne: { seconds: 0n, nanos: 1 },
      timestampListMaybe: { values: [{ seconds: 1n << 60n, nanos: 0 }] },
    }
    assert.throws(
      () => table.row.read(bad, 'row'),
      (error: unknown) => {
        assert.ok(isBlastyError(error, 'INVALID_ROW'))
        assert.deepEqual(error.violations, [
          { field: 'row.timestamp_one', description: 'is finer than a microsecond' },
          { field: 'row.timestamp_list_maybe', description: 'is outside the years 1 to 9999' },
        ])
        return true
      },
    )
  })

  it('keep columns apart whose names protobuf would hold for one', () => {
    const near = compileTableProto('n', 't', keyed(['a_1', 'a1', 'a__1', 'constructor']))
    const row = { a_1: 'x', a1: 'y', a__1: 'z', constructor: 'c' }
    assert.deepEqual(near.row.read(near.row.write(row), 'row'), row)
    assert.deepEqual(near.key?.read(near.key.write(row), 'key'), { a_1: 'x' })
  })
})
