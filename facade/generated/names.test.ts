import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tableNames } from '../../engine/schema/service-names.ts'
import fc, { runs } from '../../test/random.ts'
import { defaultJsonName, fieldNames } from './names.ts'

const letters = 'ab1z'
const word = (chars: string) => fc.string({ unit: fc.constantFrom(...chars), minLength: 1, maxLength: 3 })
const table = fc
  .tuple(word('abz'), fc.array(word(letters), { maxLength: 3 }))
  .map(([first, rest]) => [first, ...rest].join('-'))
const namespace = fc
  .tuple(word(letters), fc.string({ unit: fc.constantFrom(...letters, '-'), maxLength: 4 }), word(letters))
  .map(parts => parts.join(''))

describe('names of generated services', () => {
  it('are what a reader expects', () => {
    assert.deepEqual(tableNames('cinema', 'box-office'), {
      package: 'blasty.tables.cinema.v1',
      path: 'blasty/tables/cinema/v1/box_office.proto',
      prefix: 'BoxOffice',
      service: 'blasty.tables.cinema.v1.BoxOfficeService',
    })
    assert.equal(tableNames('team-1', 'films').package, 'blasty.tables.team_1.v1')
    assert.equal(tableNames('1a', 'top-10').service, 'blasty.tables.z1a.v1.TopZ10Service')
  })

  it('differ for different Tables', () => {
    const pair = fc.tuple(fc.tuple(namespace, table), fc.tuple(namespace, table))
    fc.assert(
      fc.property(pair, ([a, b]) => {
        fc.pre(a.join('/') !== b.join('/'))
        const [one, other] = [tableNames(...a), tableNames(...b)]
        assert.notEqual(one.service, other.service)
        assert.notEqual(one.path, other.path)
      }),
      { numRuns: runs(5000) },
    )
  })

  it('differ for two near names', () => {
    for (const [a, b] of [
      ['x-1', 'x1'],
      ['x-z1', 'x-1'],
      ['x-zz1', 'x-z1'],
    ] as const) {
      assert.notEqual(tableNames('n', a).service, tableNames('n', b).service)
    }
    for (const [a, b] of [
      ['a--b', 'a-z-b'],
      ['1a', 'z1a'],
      ['a--b', 'a-b'],
    ] as const) {
      assert.notEqual(tableNames(a, 't').service, tableNames(b, 't').service)
    }
  })
})

describe('names of fields', () => {
  const column = fc
    .tuple(fc.constantFrom('a', 'b'), fc.string({ unit: fc.constantFrom('a', '1', '_', 'f', '2'), maxLength: 6 }))
    .map(parts => parts.join(''))
  const columns = fc
    .uniqueArray(column, { minLength: 1, maxLength: 12 })
    .map(names => names.map((name, i) => ({ name, field: i + 1 })))

  it('are the names of the columns where protobuf allows it', () => {
    const names = fieldNames([
      { name: 'a_1', field: 1 },
      { name: 'a1', field: 2 },
      { name: 'title', field: 3 },
      { name: 'x__y_', field: 4 },
    ])
    assert.deepEqual([...names.values()], ['a_1', 'a1_f2', 'title', 'x_y_f4'])
  })

  it('are never told apart by underscores alone', () => {
    fc.assert(
      fc.property(columns, given => {
        const json = [...fieldNames(given).values()].map(name => defaultJsonName(name).toLowerCase())
        assert.equal(new Set(json).size, given.length)
      }),
      { numRuns: runs(2000) },
    )
  })

  it('stay when columns are added', () => {
    fc.assert(
      fc.property(columns, given => {
        const before = fieldNames(given.slice(0, -1))
        const after = fieldNames(given)
        for (const [column, field] of before) assert.equal(after.get(column), field)
      }),
      { numRuns: runs(2000) },
    )
  })
})
