import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { QueryEngine } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { engineNow, runsInTrino } from './lake-sql.ts'

const backends = {}
/** What is looked at of a Table; a cluster would have to make the rest. */
const served = (
  name: string,
  spec: string,
  now?: string,
  known = now === 'Trino',
  set: object = backends,
): ServedTable =>
  ({
    backends: set,
    resource: {
      metadata: { name },
      spec: { query: { engine: spec } },
      status: { query: { engine: now }, external: known ? { trino: 's3://x' } : {} },
    },
  }) as unknown as ServedTable

const embedded = served('embedded', 'Embedded', 'Embedded')
const trino = served('trino', 'Trino', 'Trino')
const small = served('small', 'Auto', 'Embedded')
const large = served('large', 'Auto', 'Trino')
const shrunk = served('shrunk', 'Auto', 'Embedded', true)
const unseen = served('unseen', 'Auto')
const elsewhere = served('elsewhere', 'Trino', 'Trino', true, {})
const { EMBEDDED, TRINO, UNSPECIFIED } = QueryEngine

type Case = readonly [
  tables: readonly ServedTable[],
  asked: QueryEngine,
  runs: 'Trino' | 'Embedded' | RegExp,
  facade?: 'facadeOnly',
]
const cases: readonly Case[] = [
  [[], UNSPECIFIED, 'Embedded'],
  [[], EMBEDDED, 'Embedded'],
  [[], TRINO, /without Tables/],
  [[embedded, small, shrunk, unseen], UNSPECIFIED, 'Embedded'],
  [[trino], UNSPECIFIED, 'Trino'],
  [[large], UNSPECIFIED, 'Trino'],
  [[trino, large, shrunk], UNSPECIFIED, 'Trino'],
  [[large, small], UNSPECIFIED, /Table small/],
  [[large, embedded], UNSPECIFIED, /Table embedded/],
  [[trino, embedded], UNSPECIFIED, /Table embedded/],
  [[trino, elsewhere], UNSPECIFIED, /several BackendClasses/],
  [[large, small, embedded, shrunk], EMBEDDED, 'Embedded'],
  [[large, trino], EMBEDDED, /Table trino, whose query.engine is Trino/],
  [[shrunk, trino], TRINO, 'Trino'],
  [[small], TRINO, /Table small/],
  [[large], UNSPECIFIED, 'Embedded', 'facadeOnly'],
  [[large, small], UNSPECIFIED, 'Embedded', 'facadeOnly'],
  [[trino], UNSPECIFIED, 'Trino', 'facadeOnly'],
  [[large], TRINO, 'Trino', 'facadeOnly'],
]
for (const [tables, engine, runs, facade] of cases) {
  const names = tables.map(({ resource }) => resource.metadata.name).join(', ')
  test(`SQL over ${names || 'no Table'}${facade ? ' as they were' : ''}, asked for ${QueryEngine[engine]}: ${runs}`, () => {
    const decide = () => runsInTrino(tables, { engine, facadeOnly: facade !== undefined })
    if (runs instanceof RegExp)
      assert.throws(decide, error => isBlastyError(error, 'UNSUPPORTED') && runs.test(error.message))
    else assert.equal(decide(), runs === 'Trino')
  })
}

test('an engine that is none is refused', () => {
  assert.throws(
    () => runsInTrino([small], { engine: 9 as QueryEngine, facadeOnly: false }),
    error => isBlastyError(error, 'INVALID_ARGUMENT'),
  )
})

test('the catalogue tells what the spec says or, under Auto, what the status says', () => {
  assert.deepEqual([embedded, trino, small, large, unseen].map(engineNow), [
    'Embedded',
    'Trino',
    'Embedded',
    'Trino',
    'Embedded',
  ])
})
