/** A Table's own typed service, for a client that knows only reflection; and what a change of the columns does to it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CatalogService } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import type { Client } from './client.ts'
import { film, filmColumns, filmsTable } from './films.ts'
import { follow } from './following.ts'
import { reflect, reflectedServices } from './reflected.ts'
import { openScene, type Scene } from './scene.ts'
import { kubectl, type Setting } from './setting.ts'
import { refused } from './writes.ts'

export function describeGenerated(setting: () => Setting): void {
  describe('the service of a Table', () => {
    let scene: Scene
    let client: Client
    let name: string
    before(async () => {
      scene = await openScene(setting())
      await scene.apply(filmsTable())
      await scene.wait('table/films')
      client = await scene.owner('films')
      name = await scene.field('table/films', '{.status.service}')
    })
    after(() => scene?.[Symbol.asyncDispose]())

    it('takes and gives typed rows, lists, deletes and watches them, by reflection alone', async () => {
      const films = await reflect(client.connection, name)
      const row = {
        id: 'tt1',
        title: 'Alien',
        gross: '106285522.00',
        released: '1979-05-25',
        tags: { values: ['horror', 'space'] },
      }
      const put = await films.call('Put', { row })
      const got = await films.call('Get', { key: { id: 'tt1' }, min_token: put.token ?? null })
      assert.deepEqual(got.row, row)
      assert.equal(got.revision, put.revision)
      assert.deepEqual((await client.table('films').get({ id: 'tt1' })).row, { ...row, tags: ['horror', 'space'] })
      const { rows } = await films.call('List', { page_size: 10 })
      assert.deepEqual(rows, [row])

      const leaving = new AbortController()
      const watch = films.stream('Watch', { snapshot: {}, where: `title = 'Alien'` }, leaving.signal)
      const kinds: string[] = []
      for await (const message of watch) {
        kinds.push(...Object.keys(message))
        if (kinds.includes('ready') && !kinds.includes('events')) {
          await films.call('Delete', { key: { id: 'tt1' } })
        }
        if (kinds.includes('events')) break
      }
      assert.deepEqual(kinds, ['rows', 'ready', 'events'])
      await refused('ROW_NOT_FOUND', films.call('Get', { key: { id: 'tt1' } }))
    })

    it('is hidden from who may do nothing with the Table', async () => {
      const stranger = await scene.caller()
      assert.ok((await reflectedServices(client.connection)).includes(name))
      assert.ok(!(await reflectedServices(stranger.connection)).includes(name))
      await assert.rejects(reflect(stranger.connection, name))
    })

    it('changes with the columns: one is added and one retired, and rows written before stay', async () => {
      const films = client.table('films')
      const old = film('tt2', { tags: ['old'] })
      await films.put([old])
      const before = await reflect(client.connection, name)
      const watch = follow(client, { table: films.ref })
      await watch.ready()
      const columns = filmColumns.filter(column => column.name !== 'tags')
      await scene.apply(filmsTable([...columns, { name: 'minutes', type: 'Int32' }]))
      const changed = ['wait', '--namespace', scene.namespace, '--timeout=30s', 'table/films']
      await kubectl(setting().info, [...changed, '--for=jsonpath={.status.schema.number}=2'])
      await scene.wait('table/films')

      const { tags, ...rest } = old
      assert.deepEqual((await films.get({ id: 'tt2' })).row, { ...rest, minutes: null })
      const { token } = await films.put([{ ...rest, id: 'tt3', minutes: 117 }])
      const { rows } = await client.sql('SELECT id, minutes FROM films ORDER BY id', token)
      assert.deepEqual(rows, [
        { id: 'tt2', minutes: null },
        { id: 'tt3', minutes: 117 },
      ])
      await refused('INVALID_ROW', films.put([{ ...rest, tags: [] }]))
      await refused('QUERY_FAILED', client.sql('SELECT tags FROM films'))

      const now = await reflect(client.connection, name)
      const fields = (service: typeof now) =>
        service.service.file.messages
          .find(message => message.name === 'FilmsRow')
          ?.fields.map(field => `${field.name}=${field.number}`)
      assert.deepEqual(fields(before), ['id=1', 'title=2', 'gross=3', 'released=4', 'tags=5'])
      assert.deepEqual(fields(now), ['id=1', 'title=2', 'gross=3', 'released=4', 'minutes=6'])
      const { protoText } = await client.connection.service(CatalogService).getTableProto({ table: films.ref })
      assert.match(protoText, /reserved 5;\n {2}reserved "tags";/)
      const { row } = await now.call('Get', { key: { id: 'tt3' } })
      assert.deepEqual(row, { ...rest, id: 'tt3', minutes: 117 })

      await watch.until('the new row', told => told.length > 0)
      assert.deepEqual(
        watch.events().map(event => event.new),
        [{ ...rest, id: 'tt3', minutes: 117 }],
      )
      await watch.stop()
    })
  })
}
