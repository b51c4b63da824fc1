/** Servers and roles die under a steady load: nothing acknowledged is lost, and nothing happens twice. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { BlobService } from '../../proto/gen/blasty/v1/blob_service_pb.js'
import { type Client, openClient } from './client.ts'
import { ledgerResources } from './ledger.ts'
import { type Load, startLoad } from './load.ts'
import { type CuttingProxy, cuttingProxy } from './proxy.ts'
import { openScene, type Scene } from './scene.ts'
import { away, type Setting } from './setting.ts'
import { refused } from './writes.ts'

export function describeUnderLoad(opened: () => Setting): void {
  describe('under a steady load', () => {
    let setting: Setting
    let scene: Scene
    let client: Client
    let watching: Client
    let proxy: CuttingProxy
    let load: Load
    before(async () => {
      setting = opened()
      scene = await openScene(setting)
      await scene.apply(...ledgerResources)
      await Promise.all(['table/ledger', 'index/ledger', 'subscription/ledger'].map(it => scene.wait(it)))
      client = await scene.owner('ledger', 'later', 'films')
      const [host = '', port = ''] = setting.grpc.split(':')
      proxy = await cuttingProxy({ host, port: Number(port) })
      watching = openClient(proxy.address, client)
      load = await startLoad(client, watching)
      await load.goesOn()
    })
    after(async () => {
      watching?.connection.close()
      await proxy?.[Symbol.asyncDispose]()
      await scene?.[Symbol.asyncDispose]()
    })

    for (const role of ['facade', 'worker', 'operator'] as const) {
      it(`a ${role} is killed and comes back`, async () => {
        const one = setting.roles.of(role)
        await one.kill()
        await one.start()
        await load.goesOn()
      })
    }

    it('a facade is restarted in good order', async () => {
      await setting.roles.of('facade').restart()
      await load.goesOn()
    })

    it('connections of a watch are cut', async () => {
      for (let cuts = 0; cuts < 5; cuts++) {
        proxy.cut()
        await load.goesOn(5)
      }
    })

    it('the streams server is killed and comes back', async () => {
      await away(setting.stack.nats, async () => {
        // Without an id nobody can find out whether it was stored.
        const { status } = await refused('OUTCOME_UNKNOWN', client.table('ledger').put([{ id: 'unknown', n: -1 }]))
        assert.equal(status, 'UNAVAILABLE')
      })
      await load.goesOn()
    })

    it('the object store is away: rows are written and read on, blobs are told so', async () => {
      await away(setting.stack.objectStore, async () => {
        await load.goesOn()
        async function* blob() {
          yield { part: { case: 'header' as const, value: { table: client.table('ledger').ref } } }
          yield { part: { case: 'chunk' as const, value: Buffer.from('content') } }
        }
        await refused('BACKEND_UNAVAILABLE', client.connection.service(BlobService).upload(blob()))
      })
      await load.goesOn()
      await scene.wait('table/ledger')
    })

    it('the search server is away and comes back: the Index catches up', async () => {
      const index = { namespace: scene.namespace, name: 'ledger' }
      await away(setting.stack.search, async () => {
        await load.goesOn()
        await refused('BACKEND_UNAVAILABLE', client.searches.search({ index, q: 'row' }))
      })
      const { token } = await client.table('ledger').put([{ id: 'back', n: 0, text: 'anaconda' }])
      const { hits } = await client.searches.search({ index, q: 'anaconda', ...(token && { minToken: token }) })
      assert.equal(hits.length, 1)
      await client.table('ledger').remove([{ id: 'back' }])
    })

    it('the apiserver is killed and comes back: who is known is served on, and new Tables become Ready', async () => {
      await away(setting.stack.kubernetes.apiserver, () => load.goesOn())
      await load.goesOn()
      const [table] = ledgerResources
      assert.ok(table)
      await scene.apply({ ...table, name: 'later' })
      await scene.wait('table/later')
      await client.table('later').put([{ id: 'first', n: 1 }])
    })

    it('and everything that was acknowledged is there, once, wherever one looks', async () => {
      await load.stop()
      await load.check()
      assert.ok(load.restarts() > 0, 'the Watch was never interrupted')
    })
  })
}
