/** A Table whose query engine is Trino, from end to end: told to Trino by the operator, queried through the facade. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { trino } from '../../backends/trino/client.ts'
import { tableLocation } from '../../backends/trino/tables.ts'
import type { TrinoInfo } from '../../devstack/info.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { failsWith } from '../../facade/grpc/testing.ts'
import { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import { QueryEngine, ResultFormat } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { film, filmColumns } from './films.ts'
import { openScene, type Resource, type Scene } from './scene.ts'
import { kubectl, openSetting, type Setting } from './setting.ts'

const missing = await missingHere('trino')
const withTrino = testNeeding(missing)

let setting: Setting | undefined
let scene: Scene
let info: TrinoInfo

const table = (name: string, engine: string): Resource => ({
  kind: 'Table',
  name,
  // A window that no test waits for: who asks for a revision makes the archiver hurry.
  spec: {
    columns: filmColumns,
    primaryKey: ['id'],
    log: { maxBytes: '64Mi' },
    lake: { commitWindowSeconds: 300 },
    query: { engine },
  },
})

before(async () => {
  if (missing !== undefined) return
  setting = await openSetting()
  info = await setting.stack.startTrino()
  const spec = JSON.stringify({ spec: { trino: info } })
  await kubectl(setting.info, ['patch', 'backendclass/standard', '--type=merge', `--patch=${spec}`])
  scene = await openScene(setting)
  await scene.apply(table('films', 'Trino'), table('more-films', 'Trino'), table('plain', 'Embedded'))
  for (const name of ['films', 'more-films', 'plain']) await scene.wait(`table/${name}`)
})
after(async () => {
  await scene?.[Symbol.asyncDispose]()
  await setting?.[Symbol.asyncDispose]()
})

withTrino('SQL over a Table of engine Trino runs there, at the revision that is asked for', async () => {
  const client = await scene.owner('films', 'more-films', 'plain')
  const ask = async (sql: string, more: object = {}) =>
    Array.fromAsync(client.queries.query({ namespace: scene.namespace, sql, ...more }))
  await assert.rejects(ask('SELECT id FROM films'), failsWith({ reason: 'TABLE_NOT_READY' }))

  const rows = ['a', 'b', 'c'].map(id => film(id, { tags: ['drama', "it's"] }))
  const { token } = await client.table('films').put(rows, { ackLevel: AckLevel.ARCHIVED })
  await client.table('more-films').put([film('b', { gross: '7.00' })], { ackLevel: AckLevel.ARCHIVED })
  assert.ok(token)
  await scene.wait('table/films', 'TrinoReady')
  const parts = await ask('SELECT id, gross, released, tags FROM films WHERE id >= $1 ORDER BY id', {
    minToken: token,
    parameters: [{ kind: { case: 'stringValue', value: 'b' } }],
  })
  const [header, batch] = parts
  assert.ok(header?.part.case === 'header' && batch?.part.case === 'batch')
  assert.deepEqual(
    header.part.value.columns.map(({ name }) => name),
    ['id', 'gross', 'released', 'tags'],
  )
  assert.deepEqual(
    batch.part.value.columns.map(({ values }) => values.value?.values),
    [
      ['b', 'c'],
      ['100.00', '100.00'],
      [20484, 20484],
      ['["drama","it\'s"]', '["drama","it\'s"]'],
    ],
  )
  const trailer = parts.at(-1)?.part
  assert.ok(trailer?.case === 'trailer')
  assert.equal(trailer.value.engine, QueryEngine.TRINO)
  assert.deepEqual(trailer.value.token?.tables, token.tables)

  // What is written later is seen by who asks for it, and by nobody's old version.
  const { token: later } = await client.table('films').remove([{ id: 'a' }])
  assert.deepEqual((await client.sql('SELECT count(*) AS n FROM films', later)).rows, [{ n: 2n }])

  await scene.wait('table/more-films', 'TrinoReady')
  const joined = await client.sql('SELECT f.id, m.gross FROM films f JOIN "more-films" m ON f.id = m.id', later)
  assert.deepEqual(joined.rows, [{ id: 'b', gross: '7.00' }])
  assert.equal(joined.token?.tables.length, 2)

  await assert.rejects(
    ask('SELECT f.id FROM films f JOIN plain p ON f.id = p.id'),
    failsWith({ reason: 'UNSUPPORTED' }),
  )
  await assert.rejects(ask('SELECT upper(title) FROM films'), failsWith({ reason: 'UNSUPPORTED' }))
  await assert.rejects(
    ask('SELECT id FROM films', { format: ResultFormat.ARROW_IPC }),
    failsWith({ reason: 'UNSUPPORTED' }),
  )
  const beyond = { tables: later?.tables.map(one => ({ ...one, revision: one.revision + 1000n })) ?? [] }
  await assert.rejects(ask('SELECT id FROM films', { minToken: beyond }), failsWith({ reason: 'REVISION_NOT_REACHED' }))
  const plan = await ask('SELECT id FROM films', { explain: true })
  assert.match(
    JSON.stringify(plan, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
    /TableScan|Fragment/,
  )
  assert.equal((await client.sql('SELECT count(*) AS n FROM plain')).rows.length, 1)
})

withTrino('a Table that is deleted is one that Trino does not know', async () => {
  const client = trino({ server: info.server, user: 'test' })
  const name = { catalog: info.catalog, schema: scene.namespace, table: 'films' }
  assert.match((await tableLocation(client, name)) ?? '', /^s3:\/\/.*\/lake$/)
  await scene.remove('table/films')
  assert.equal(await tableLocation(client, name), undefined)
})
