/** What is written reaches the open table on the bucket, and says so. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { objectStore } from '../../backends/object-store/store.ts'
import { readState } from '../../engine/lake/delta/state.ts'
import { AckLevel, type TablePosition } from '../../proto/gen/blasty/v1/common_pb.js'
import type { AsOf, Client } from './client.ts'
import { film, filmsTable } from './films.ts'
import { openScene, type Scene } from './scene.ts'
import { eventually, type Setting } from './setting.ts'

export function describeLake(setting: () => Setting): void {
  describe('the lake of a Table', () => {
    let scene: Scene
    let client: Client
    before(async () => {
      scene = await openScene(setting())
      await scene.apply(filmsTable())
      client = await scene.owner('films')
      await scene.wait('table/films')
    })
    after(() => scene?.[Symbol.asyncDispose]())

    it('holds a row once a write that asks for ARCHIVED is answered, long before its window is over', async () => {
      const films = client.table('films')
      const { ackLevel, revision } = await films.put([film('tt1'), film('tt2')], { ackLevel: AckLevel.ARCHIVED })
      assert.equal(ackLevel, AckLevel.ARCHIVED)
      const bucket = await scene.field('table/films', '{.status.external.bucket}')
      const objects = objectStore({ ...setting().info.objectStore, pathStyle: true })
      const state = await readState({ objects, bucket, root: 'lake' })
      assert.deepEqual(
        [...(state?.txns.values() ?? [])].map(({ version }) => BigInt(version)),
        [revision],
      )
      await scene.wait('table/films', 'LakeReady')
    })

    it('that vanishes makes the Table Stalled, and writes are refused while reads go on', async () => {
      const lost = { ...filmsTable(), name: 'lost' }
      await scene.apply(lost)
      const owner = await scene.owner('lost')
      await scene.wait('table/lost')
      const films = owner.table('lost')
      await films.put([film('tt1')], { ackLevel: AckLevel.ARCHIVED })
      const bucket = await scene.field('table/lost', '{.status.external.bucket}')
      const objects = objectStore({ ...setting().info.objectStore, pathStyle: true })
      const keys: string[] = []
      for await (const { key } of objects.list(bucket, 'lake/')) keys.push(key)
      await objects.remove(bucket, keys)
      await films.put([film('tt2')], { ackLevel: AckLevel.ARCHIVED, timeoutMs: 2_000 })
      await scene.wait('table/lost', 'Stalled')
      const refused = await eventually('writes are refused', async () =>
        films.put([film('tt3')]).then(
          () => undefined,
          error => String(error),
        ),
      )
      assert.match(refused, /lake of .* is lost/)
      assert.equal((await films.get({ id: 'tt2' })).row.id, 'tt2')
    })

    it('shows in the status how far it is', async () => {
      const films = client.table('films')
      const { revision } = await films.remove([{ id: 'tt1' }], { ackLevel: AckLevel.ARCHIVED })
      const lake = await eventually(
        'the status shows the revision',
        async () => {
          const shown = await scene.field('table/films', '{.status.progress.lake}')
          const lake = JSON.parse(shown === '' ? '{}' : shown)
          return lake.revision === String(revision) && lake
        },
        45,
      )
      assert.deepEqual([lake.rows, lake.version], [1, 2])
    })

    it('keeps rows for as long as rows.retentionSeconds says, with a key and without', async () => {
      const { spec } = filmsTable()
      const rows = { retentionSeconds: 2 }
      const lake = { commitWindowSeconds: 1 }
      const { primaryKey: _, ...appended } = spec as { primaryKey: unknown }
      await scene.apply(
        { kind: 'Table', name: 'passing', spec: { ...spec, rows, lake } },
        { kind: 'Table', name: 'lines', spec: { ...appended, rows, lake } },
      )
      const owner = await scene.owner('passing', 'lines')
      for (const name of ['passing', 'lines']) {
        await scene.wait(`table/${name}`)
        await owner.table(name).put([film('tt1'), film('tt2')])
      }
      for (const name of ['passing', 'lines']) {
        await eventually(`${name} has no row any more`, async () => {
          const { rows: left } = await owner.sql(`SELECT count(*) AS n FROM ${name}`)
          return Number(left[0]?.n) === 0
        })
        await scene.wait(`table/${name}`, 'RowsExpire')
      }
      await assert.rejects(owner.table('passing').get({ id: 'tt1' }), /no row with that key/)
    })

    it('shows SQL the Table as it was at a token and at a time, and refuses what is not there', async () => {
      const films = client.table('films')
      const { token: before } = await films.put([film('tt5', { title: 'before' })], { ackLevel: AckLevel.ARCHIVED })
      const { token: after } = await films.put([film('tt5', { title: 'after' })])
      assert.ok(before && after)
      const statement = `SELECT title, epoch_us(_commit_time) AS at FROM films WHERE id = 'tt5'`
      const read = async (asOf: AsOf) => {
        const { rows, token } = await client.sql(statement, undefined, asOf)
        return { title: rows[0]?.title, at: BigInt(String(rows[0]?.at ?? 0)), revision: token?.tables[0]?.revision }
      }
      const old = await read({ case: 'asOfRevision', value: before })
      assert.deepEqual([old.title, old.revision], ['before', before.tables[0]?.revision])
      const next = await read({ case: 'asOfRevision', value: after })
      assert.equal(next.title, 'after')
      const time = (micros: bigint) => ({
        case: 'asOfTime' as const,
        value: { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1000 },
      })
      assert.deepEqual(await read(time(next.at)), next)
      assert.deepEqual(await read(time(next.at - 1n)), old)
      const { tableUid = '', epoch = 0 } = before.tables[0] ?? {}
      const position = { tableUid, epoch, revision: 1_000_000n }
      await assert.rejects(
        read({ case: 'asOfRevision', value: { tables: [position] } }),
        /revision 1000000 is beyond the last/,
      )
      await assert.rejects(read({ case: 'asOfRevision', value: {} }), /as_of_revision: has no revision of .*films/)
      await assert.rejects(client.sql(statement, after, { case: 'asOfRevision', value: before }), /min_token/)
    })

    it('shows a join of Tables each at the revision that the token names', async () => {
      await scene.apply({ ...filmsTable(), name: 'sequels' })
      const owner = await scene.owner('films', 'sequels')
      await scene.wait('table/sequels')
      const positions = new Map<string, TablePosition | undefined>()
      for (const name of ['films', 'sequels']) {
        for (const title of ['1', '2', '3']) {
          const { token } = await owner.table(name).put([film('tt6', { title: `${name} ${title}` })])
          positions.set(`${name} ${title}`, token?.tables[0])
        }
      }
      const chosen = ['films 1', 'sequels 2']
      const tables = chosen.flatMap(title => positions.get(title) ?? [])
      const { rows, token } = await owner.sql(
        `SELECT f.title AS film, s.title AS sequel FROM films f JOIN sequels s USING (id) WHERE id = 'tt6'`,
        undefined,
        { case: 'asOfRevision', value: { tables } },
      )
      assert.deepEqual(rows, [{ film: 'films 1', sequel: 'sequels 2' }])
      const revisions = (some: readonly TablePosition[]) => new Set(some.map(({ revision }) => revision))
      assert.deepEqual(revisions(token?.tables ?? []), revisions(tables))
    })
  })
}
