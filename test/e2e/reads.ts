/** What kubectl applies becomes Ready, and what is written is found by every reader at the token returned. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CatalogService } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client } from './client.ts'
import { blockbusters, film, filmsIndex, filmsTable } from './films.ts'
import { consume, follow } from './following.ts'
import { openScene, type Scene } from './scene.ts'
import { kubectl, type Setting } from './setting.ts'

export function describeReads(setting: () => Setting): void {
  describe('a Table that is applied with kubectl', () => {
    let scene: Scene
    let client: Client
    before(async () => {
      scene = await openScene(setting())
      await scene.apply(filmsTable(), filmsIndex, blockbusters)
    })
    after(() => scene?.[Symbol.asyncDispose]())

    it('becomes Ready, and so do its Index, its Subscription and its AccessPolicy', async () => {
      client = await scene.owner('films')
      const policy = `accesspolicy/${client.serviceAccount}`
      await Promise.all(['table/films', 'index/films', 'subscription/blockbusters', policy].map(it => scene.wait(it)))
      const shown = await kubectl(setting().info, ['get', 'blasty', '--namespace', scene.namespace])
      for (const name of ['table.blasty.dev/films', 'index.blasty.dev/films', 'subscription.blasty.dev/blockbusters']) {
        assert.match(shown, new RegExp(`${name}.*True`))
      }
    })

    it('is listed in the catalogue with its Index and its Subscription, by namespace and Table', async () => {
      const { namespace } = scene
      const catalog = client.connection.service(CatalogService)
      const { indexes } = await catalog.listIndexes({ namespace, table: 'films' })
      assert.deepEqual(
        indexes.map(one => [one.index?.name, one.table, one.ready]),
        [['films', 'films', true]],
      )
      const { subscriptions } = await catalog.listSubscriptions({ namespace })
      assert.deepEqual(
        subscriptions.map(one => one.subscription?.name),
        ['blockbusters'],
      )
      assert.deepEqual((await catalog.listIndexes({ namespace, table: 'other' })).indexes, [])
    })

    it('gives a row written to Get, List, SQL, a Watch and a Subscription at the token returned', async () => {
      const films = client.table('films')
      const watch = follow(client, { table: films.ref, where: 'gross >= 100' })
      const events = consume(client, 'blockbusters')
      await watch.ready()
      const row = film('tt1', { gross: '123.45', tags: ['a', 'b'] })
      const { token, revision, firstRevision, ackLevel } = await films.put([row])
      assert.equal(ackLevel, AckLevel.REPLICATED)
      assert.equal(token?.tables[0]?.revision, revision)

      assert.deepEqual(await films.get({ id: 'tt1' }, token), { row, revision: firstRevision })
      assert.deepEqual(await films.list(10, token), [{ row, revision: firstRevision }])
      const { rows, token: served } = await client.sql(`SELECT id, gross FROM films WHERE id = 'tt1'`, token)
      assert.deepEqual(rows, [{ id: 'tt1', gross: '123.45' }])
      assert.ok((served?.tables[0]?.revision ?? 0n) >= revision)
      const entered = [{ kind: 'ENTER', revision: firstRevision, old: undefined, new: row }]
      await watch.until('the row enters', told => told.length > 0)
      assert.deepEqual(watch.events(), entered)
      assert.equal(watch.cursor()?.revision, revision)
      await events.until('the row is delivered', told => told.length > 0)
      assert.deepEqual(
        events.deliveries.map(({ sequence, attempt, ...event }) => event),
        entered,
      )

      await films.put([film('tt1', { gross: '5.00' })])
      await watch.until('the row leaves', told => told.length > 1)
      assert.deepEqual(watch.events()[1]?.kind, 'LEAVE')
      await Promise.all([watch.stop(), events.stop()])
    })

    it('gives a row written to a search that asks for the token', async () => {
      const { token } = await client.table('films').put([film('tt2', { title: 'The Unforgettable Aardvark' })])
      const index = { namespace: scene.namespace, name: 'films' }
      const { hits, token: served } = await client.searches.search({
        index,
        q: 'unforgetable',
        where: `released = DATE '2026-01-31'`,
        withRows: true,
        ...(token && { minToken: token }),
      })
      assert.deepEqual(
        hits.map(({ keyJson }) => JSON.parse(keyJson)),
        [{ id: 'tt2' }],
      )
      assert.equal(JSON.parse(hits[0]?.row?.rowJson ?? '{}').title, 'The Unforgettable Aardvark')
      assert.ok((served?.tables[0]?.revision ?? 0n) >= (token?.tables[0]?.revision ?? 1n))
    })

    it('answers SEARCHABLE when a search without a token finds the row', async () => {
      const films = client.table('films')
      const { ackLevel } = await films.put([film('tt3', { title: 'Zanzibar' })], { ackLevel: AckLevel.SEARCHABLE })
      assert.equal(ackLevel, AckLevel.SEARCHABLE)
      const found = await client.searches.search({
        index: { namespace: scene.namespace, name: 'films' },
        q: 'zanzibar',
      })
      assert.deepEqual(
        found.hits.map(({ keyJson }) => JSON.parse(keyJson)),
        [{ id: 'tt3' }],
      )
    })

    it('tells a snapshot and then the changes, each row once', async () => {
      const films = client.table('films')
      const before = await films.list(100)
      const watch = follow(client, { table: films.ref, start: { case: 'snapshot', value: {} } })
      await watch.ready()
      assert.deepEqual(watch.rows, before)
      await films.remove([{ id: 'tt2' }])
      await watch.until('the row leaves', told => told.length > 0)
      assert.deepEqual(
        watch.events().map(({ kind, old, new: next }) => [kind, old?.id, next]),
        [['LEAVE', 'tt2', undefined]],
      )
      await watch.stop()
    })
  })
}
