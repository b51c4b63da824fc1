/** A Table whose query engine is Trino, from end to end: told to Trino by the operator, queried through the facade. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { objectStore } from '../../backends/object-store/store.ts'
import { trino } from '../../backends/trino/client.ts'
import { tableLocation } from '../../backends/trino/tables.ts'
import type { TrinoInfo } from '../../devstack/info.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { lakeIn } from '../../engine/lake/delta/lake.ts'
import { lowestLease } from '../../engine/lake/delta/leases.ts'
import { failsWith } from '../../facade/grpc/testing.ts'
import { CatalogService } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import { QueryEngine, ResultFormat } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { film, filmColumns } from './films.ts'
import { openScene, type Resource, type Scene } from './scene.ts'
import { eventually, kubectl, openSetting, type Setting } from './setting.ts'

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
  setting = await openSetting({ 'sql-table-size': '1KB' })
  info = await setting.stack.startTrino()
  const spec = JSON.stringify({ spec: { trino: info } })
  await kubectl(setting.info, ['patch', 'backendclass/standard', '--type=merge', `--patch=${spec}`])
  scene = await openScene(setting)
  await scene.apply(
    table('films', 'Trino'),
    table('more-films', 'Trino'),
    table('plain', 'Embedded'),
    table('growing', 'Auto'),
  )
  for (const name of ['films', 'more-films', 'plain', 'growing']) await scene.wait(`table/${name}`)
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

withTrino(
  'SQL over a Table of engine Auto goes to Trino once its lake is large, and a session stays where it is',
  async () => {
    const client = await scene.owner('films', 'plain', 'growing')
    const ask = async (sql: string, more: object = {}) => {
      const parts = await Array.fromAsync(client.queries.query({ namespace: scene.namespace, sql, ...more }))
      const trailer = parts.at(-1)?.part
      assert.ok(trailer?.case === 'trailer')
      return { engine: trailer.value.engine, rows: trailer.value.rows, token: trailer.value.token }
    }
    const catalog = client.connection.service(CatalogService)
    const shown = async () => {
      const { queryEngine } = await catalog.getTable({ table: { namespace: scene.namespace, name: 'growing' } })
      return queryEngine
    }
    const growing = client.table('growing')
    await growing.put([film('a')])
    assert.deepEqual((await ask('SELECT id FROM growing')).engine, QueryEngine.EMBEDDED)
    assert.equal(await shown(), QueryEngine.EMBEDDED)
    await assert.rejects(
      ask('SELECT id FROM growing', { engine: QueryEngine.TRINO }),
      failsWith({ reason: 'UNSUPPORTED' }),
    )

    // Each file is larger than a kilobyte, whatever is in it.
    await growing.put([film('b')], { ackLevel: AckLevel.ARCHIVED })
    // The operator folds what is said of sizes into the status every half minute.
    await eventually('the Table has gone to Trino', async () => (await shown()) === QueryEngine.TRINO, 120)
    await scene.wait('table/growing', 'TrinoReady')
    const { token } = await growing.put([film('c')])
    const there = await ask('SELECT id FROM growing', { minToken: token })
    assert.deepEqual([there.engine, there.rows], [QueryEngine.TRINO, 3n])
    assert.deepEqual(there.token?.tables, token?.tables)

    // A session that began in the facade goes on there, and as it was a Table is only there.
    const here = { engine: QueryEngine.EMBEDDED }
    assert.deepEqual(await ask('SELECT id FROM growing', { minToken: token, ...here }), {
      ...there,
      engine: QueryEngine.EMBEDDED,
    })
    assert.equal((await ask('SELECT upper(title) FROM growing', here)).rows, 3n)
    const past = await ask('SELECT id FROM growing', { asOf: { case: 'asOfRevision', value: token } })
    assert.equal(past.engine, QueryEngine.EMBEDDED)
    assert.equal((await ask('SELECT g.id FROM growing g JOIN plain p ON g.id = p.id', here)).rows, 0n)
    const refused = failsWith({ reason: 'UNSUPPORTED' })
    await assert.rejects(ask('SELECT g.id FROM growing g JOIN plain p ON g.id = p.id'), refused)
    await assert.rejects(ask('SELECT id FROM films', here), refused)
    await assert.rejects(ask('SELECT 1', { engine: QueryEngine.TRINO }), refused)
    assert.equal((await ask('SELECT g.id FROM growing g JOIN films f ON g.id = f.id')).engine, QueryEngine.TRINO)

    // What was read in Trino is let go: nobody holds a lease when the statements have ended.
    const status = await kubectl(setting?.info ?? assert.fail(), [
      '-n',
      scene.namespace,
      'get',
      'table/growing',
      '-ojson',
    ])
    const { external, query } = JSON.parse(status).status
    assert.equal(query.engine, 'Trino')
    const objects = objectStore({ ...(setting?.info ?? assert.fail()).objectStore, pathStyle: true })
    const lake = lakeIn(objects, external.bucket)
    assert.equal(await lowestLease(lake), undefined)
  },
)

withTrino('a Table that is deleted is one that Trino does not know', async () => {
  const client = trino({ server: info.server, user: 'test' })
  const name = { catalog: info.catalog, schema: scene.namespace, table: 'films' }
  assert.match((await tableLocation(client, name)) ?? '', /^s3:\/\/.*\/lake$/)
  await scene.remove('table/films')
  assert.equal(await tableLocation(client, name), undefined)
})
