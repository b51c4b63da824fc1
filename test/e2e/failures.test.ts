/** Servers and roles die under a steady load: nothing acknowledged is lost, and nothing happens twice. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Client, openClient } from './client.ts'
import { ledgerResources, type Load, startLoad } from './load.ts'
import { type CuttingProxy, cuttingProxy } from './proxy.ts'
import { openScene, type Scene } from './scene.ts'
import { eventually, openSetting, type Setting } from './setting.ts'
import { refused } from './writes.ts'

describe('under a steady load', () => {
  let setting: Setting
  let scene: Scene
  let client: Client
  let watching: Client
  let proxy: CuttingProxy
  let load: Load
  before(async () => {
    setting = await openSetting()
    scene = await openScene(setting)
    await scene.apply(...ledgerResources)
    await Promise.all(['table/ledger', 'index/ledger', 'subscription/ledger'].map(it => scene.wait(it)))
    client = await scene.owner('ledger', 'later', 'films')
    const [host = '', port = ''] = setting.grpc.split(':')
    proxy = await cuttingProxy({ host, port: Number(port) })
    watching = openClient(proxy.address, client)
    load = startLoad(client, watching)
    await load.goesOn()
  })
  after(async () => {
    watching?.connection.close()
    await proxy?.[Symbol.asyncDispose]()
    await scene?.[Symbol.asyncDispose]()
    await setting?.[Symbol.asyncDispose]()
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
    await setting.stack.nats.kill()
    await refusedSoon('BACKEND_UNAVAILABLE', () => client.table('ledger').put([{ id: 'none', n: -1 }], { timeoutMs: 20_000 }))
    await setting.stack.nats.start()
    await load.goesOn()
  })

  it('the object store is away: writes go on, blobs are told so', async () => {
    await setting.stack.objectStore.kill()
    await load.goesOn()
    await setting.stack.objectStore.start()
    await load.goesOn()
    await scene.wait('table/ledger')
  })

  it('the search server is away and comes back: the Index catches up', async () => {
    await setting.stack.search.kill()
    await load.goesOn()
    const index = { namespace: scene.namespace, name: 'ledger' }
    await refused('BACKEND_UNAVAILABLE', client.searches.search({ index, q: 'row' }))
    await setting.stack.search.start()
    await load.goesOn()
  })

  it('the apiserver is killed and comes back: who is known is served on, and new Tables become Ready', async () => {
    await setting.stack.kubernetes.apiserver.kill()
    await load.goesOn()
    await setting.stack.kubernetes.apiserver.start()
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
  })
})

/** Asks until the refusal is this one: a server that has just died may not be missed at once. */
async function refusedSoon(reason: string, ask: () => Promise<unknown>): Promise<void> {
  await eventually(`${reason} is answered`, () => refused(reason, ask()).then(() => true, () => false))
}
