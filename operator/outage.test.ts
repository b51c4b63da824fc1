import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Stack, startStack } from '../devstack/stack.ts'
import type { KubeClient } from './client.ts'
import { isTrue } from './conditions.ts'
import { keyFor } from './kind.ts'
import { createMetrics } from './metrics.ts'
import { createOperator, type Operator } from './operator.ts'
import { type FaultProxy, startFaultProxy } from './testing/fault-proxy.ts'
import { clientFor, eventually, installWidgets, Outside, widget, widgetController, widgets } from './testing/widgets.ts'

const namespace = 'default'
const key = (name: string) => keyFor(name, namespace)

describe('an operator whose API server is killed', { timeout: 180_000 }, () => {
  let stack: Stack
  let proxy: FaultProxy
  let admin: KubeClient
  let client: KubeClient
  let operator: Operator
  const outside = new Outside()
  const metrics = createMetrics()
  const create = (name: string, size: number) => admin.create(widgets, widget(namespace, name, { size }), namespace)
  const ready = (name: string, generation: number) =>
    eventually(`generation ${generation} of ${name} is Ready`, async () => {
      const found = await admin.get(widgets, key(name))
      return isTrue(found, 'Ready') && found.status?.observedGeneration === generation
    })

  before(async () => {
    stack = await startStack({ kubernetes: true, install: false, onCrash: () => {} })
    proxy = await startFaultProxy(stack.kubernetes)
    admin = clientFor(stack.kubernetes)
    await installWidgets(admin)
    client = clientFor({ server: proxy.url, token: stack.kubernetes.token })
    operator = createOperator({
      client,
      metrics,
      controllers: [widgetController(outside)],
      name: 'test.example.com/operator',
      annotations: { paused: 'p', abandon: 'a' },
      backoff: { baseMs: 20, maxMs: 200 },
      reflector: { backoff: { baseMs: 20, maxMs: 200 } },
    })
    await operator.start()
  })
  after(async () => {
    await operator.stop(1000)
    await client.close()
    await admin.close()
    await proxy.close()
    await stack.stop()
  })

  it('goes on when the server is back', async () => {
    await create('before', 1)
    await ready('before', 1)
    await stack.kubernetes.apiserver.kill()
    assert.equal(operator.read(widgets).size, 1)
    await stack.kubernetes.apiserver.start()
    await create('after', 2)
    await ready('after', 1)
    await admin.patch(widgets, key('before'), { spec: { size: 5 } }, { type: 'merge' })
    await ready('before', 2)
    assert.equal(outside.sizes.get(key('before')), 5)
  })

  it('notices what it missed when the server no longer holds the version it knows', async () => {
    await create('doomed', 1)
    await ready('doomed', 1)
    proxy.freezeWatches()
    await admin.patch(widgets, key('doomed'), { metadata: { finalizers: null } }, { type: 'merge' })
    await admin.delete(widgets, key('doomed'))
    await create('missed', 3)
    await stack.kubernetes.apiserver.kill()
    await stack.kubernetes.apiserver.start()
    await ready('missed', 1)
    await eventually('the deletion is noticed', () => operator.read(widgets).get(key('doomed')) === undefined)
    assert.match(
      await metrics.registry.metrics(),
      /operator_watch_failures_total\{[^}]*reason="(Expired|Gone)"\} [1-9]/,
    )
  })

  it('keeps what it could not write, and writes it when the server is back', async () => {
    const name = 'interrupted'
    proxy.answerNext((url, method) => method === 'PUT' && url.pathname.endsWith('/status'), 0)
    proxy.answerNext((url, method) => method === 'PUT' && url.pathname.endsWith('/status'), 500)
    await create(name, 4)
    await ready(name, 1)
    assert.equal(outside.sizes.get(key(name)), 4)
    assert.equal(outside.calls.filter(call => call === `set ${key(name)}`).length, 1)
  })
})
