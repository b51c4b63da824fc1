/** What is written reaches the open table on the bucket, and says so. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { objectStore } from '../../backends/object-store/store.ts'
import { readState } from '../../engine/lake/delta/state.ts'
import { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client } from './client.ts'
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
  })
}
