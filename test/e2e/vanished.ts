/** Things deleted behind Blasty's back: what is derived or empty comes back, what was written is never silently remade. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { consumerName } from '../../engine/feed/subscription-stream.ts'
import type { Client } from './client.ts'
import { blockbusters, film, filmsIndex, filmsTable } from './films.ts'
import { consume, follow } from './following.ts'
import { openScene, type Scene } from './scene.ts'
import { eventually, type Setting } from './setting.ts'
import { refused } from './writes.ts'

export function describeVanished(setting: () => Setting): void {
  describe('behind our back', () => {
    let scene: Scene
    let client: Client
    let streams: Streams
    before(async () => {
      scene = await openScene(setting())
      await scene.apply(filmsTable(), filmsIndex, blockbusters)
      for (const name of ['empty', 'old', 'young']) await scene.apply(filmsTable(undefined, name))
      await Promise.all(
        ['table/films', 'table/empty', 'table/old', 'table/young', 'index/films'].map(it => scene.wait(it)),
      )
      await scene.wait('subscription/blockbusters')
      client = await scene.owner('films', 'empty', 'old', 'young')
      const { nats } = setting().info
      streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
    })
    after(async () => {
      await streams?.close()
      await scene?.[Symbol.asyncDispose]()
    })
    const streamOf = (what: string) => scene.field(what, '{.status.external.stream}')
    const madeAt = (stream: string) =>
      streams.admin.streams.info(stream).then(
        ({ created }) => created,
        () => undefined,
      )
    const reasonOf = (table: string, condition: string) =>
      scene.field(`table/${table}`, `{.status.conditions[?(@.type=="${condition}")].reason}`)

    it('a search index that is deleted comes back, filled', async () => {
      const { token } = await client.table('films').put([film('tt1', { title: 'Boomerang' })])
      const index = { namespace: scene.namespace, name: 'films' }
      const search = async () => {
        const { hits } = await client.searches.search({ index, q: 'boomerang', ...(token && { minToken: token }) })
        return hits.length === 1
      }
      assert.ok(await search())
      const { host, key } = setting().info.search
      const name = await scene.field('index/films', '{.status.external.index}')
      const headers = { authorization: `Bearer ${key}` }
      assert.ok((await fetch(`${host}/indexes/${name}`, { method: 'DELETE', headers })).ok)
      const gone = async () => (await fetch(`${host}/indexes/${name}`, { headers })).status === 404
      await eventually('the index is gone', gone)
      await eventually('a row is found again', () => search().catch(() => false), 60)
      await scene.wait('index/films')
    })

    it('a consumer, and a stream that was never written to, come back', async () => {
      const events = await streamOf('subscription/blockbusters')
      const log = await streamOf('table/empty')
      const before = await madeAt(log)
      await streams.admin.consumers.delete(events, consumerName)
      await streams.admin.streams.delete(log)
      // The operator would look again by itself within a minute or so; when it starts it looks at once.
      await setting().roles.of('operator').restart()
      const consumerIsBack = () =>
        streams.admin.consumers.info(events, consumerName).then(
          () => true,
          () => false,
        )
      await eventually('the consumer is back', consumerIsBack)
      await eventually('there is another stream', async () => ![before, undefined].includes(await madeAt(log)))
      await scene.wait('table/empty')

      const consuming = consume(client, 'blockbusters')
      await client.table('films').put([film('tt2', { gross: '500.00' })])
      await consuming.until('the event', told => told.some(({ new: row }) => row?.id === 'tt2'))
      await consuming.stop()
      const empty = client.table('empty')
      const { token } = await empty.put([film('tt1')])
      assert.deepEqual((await empty.get({ id: 'tt1' }, token)).row, film('tt1'))
    })

    it('a log that was written is not remade: writes are refused with LOG_LOST, and the Table is stalled', async () => {
      const lose = async (table: string, shown: boolean) => {
        const stream = await streamOf(`table/${table}`)
        const watch = follow(client, { table: client.table(table).ref })
        await watch.ready()
        const { revision } = await client.table(table).put([film('tt1'), film('tt2')])
        const progress = async () => BigInt(await scene.field(`table/${table}`, '{.status.progress.revision}'))
        if (shown) await eventually('the status tells the revision', async () => (await progress()) >= revision, 60)
        await streams.admin.streams.delete(stream)
        // Before anybody has noticed a write may not be taken either.
        await refused('LOG_LOST', client.table(table).put([film('tt3')]))
        return { table, stream, watch, revision }
      }
      const lost = await Promise.all([lose('old', true), lose('young', false)])
      // As above: it would look by itself, but later.
      await setting().roles.of('operator').restart()
      for (const { table, stream, watch, revision } of lost) {
        await eventually('the Table is stalled', async () => (await reasonOf(table, 'Stalled')) === 'LogLost')
        await eventually('the watch ends', () => watch.failure() !== undefined)
        await refused('LOG_LOST', Promise.reject(watch.failure()))
        await refused('LOG_LOST', client.table(table).put([film('tt3')]))
        assert.equal(await madeAt(stream), undefined)
        const message = await scene.field(`table/${table}`, '{.status.conditions[?(@.type=="LogReady")].message}')
        if (table === 'old') assert.match(message, new RegExp(`revisions 1 to ${revision} are at risk`))
      }
    })
  })
}
