import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CoreV1Api } from '@kubernetes/client-node'
import { testStack } from '../devstack/testing.ts'
import type { KubeClient } from './client.ts'
import { defineKind, keyFor } from './kind.ts'
import { isNotFound, isUnreachable, KubeError } from './kube-error.ts'
import { startTcpProxy, type TcpProxy } from './testing/tcp-proxy.ts'
import { clientFor, configMaps } from './testing/widgets.ts'

const namespaces = defineKind({ group: '', version: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false })

describe('a client of a real API server', { timeout: 60_000 }, () => {
  let proxy: TcpProxy
  let client: KubeClient
  const read = () => client.get(namespaces, keyFor('default'))

  before(async () => {
    const { kubernetes } = await testStack('kubernetes')
    const server = new URL(kubernetes.server)
    proxy = await startTcpProxy(Number(server.port))
    server.port = String(proxy.port)
    const access = { server: server.href, token: kubernetes.token, ca: kubernetes.ca }
    client = clientFor(access, { requestMs: 1000 })
  })
  after(async () => {
    await client.close()
    await proxy.close()
  })

  it('asks many times over few connections, typed calls of the library included', async () => {
    const typed = client.api(CoreV1Api)
    for (let n = 0; n < 20; n++) {
      await read()
      await typed.listNamespace({ limit: 1 })
    }
    assert.ok(proxy.connections <= 2, `${proxy.connections} connections`)
  })

  it('leaves a connection that went dead for a new one', async () => {
    await read()
    proxy.freeze()
    await assert.rejects(read(), error => error instanceof KubeError && error.reason === 'Timeout')
    assert.equal((await read()).metadata.name, 'default')
  })

  it('says in one line what is missing', async () => {
    await assert.rejects(client.get(configMaps, keyFor('nothing', 'default')), error => {
      assert.ok(error instanceof KubeError && isNotFound(error))
      assert.equal(error.message, 'get configmaps default/nothing: NotFound (404): configmaps "nothing" not found')
      return true
    })
  })

  it('says in one line that nobody answers', async () => {
    const closed = await startTcpProxy(1)
    await closed.close()
    const lost = clientFor({ server: `https://127.0.0.1:${closed.port}`, token: 'x' })
    await assert.rejects(lost.list(configMaps), error => {
      assert.ok(error instanceof KubeError && isUnreachable(error))
      assert.match(error.message, /^list configmaps: Unreachable: .*ECONNREFUSED/)
      return true
    })
    await lost.close()
  })
})
