import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { serviceAccountToken } from '../devstack/kubernetes/api.ts'
import { createCaller, createNamespace, testStack } from '../devstack/testing.ts'
import { stalled, waiting } from './blocked.ts'
import type { KubeClient } from './client.ts'
import { conditionOf, isTrue } from './conditions.ts'
import { type Controller, mapped } from './controller.ts'
import { events } from './events.ts'
import { keyFor } from './kind.ts'
import { isNotFound } from './kube-error.ts'
import { createOperator, type Operator, type OperatorOptions } from './operator.ts'
import { grant } from './testing/rbac.ts'
import {
  clientFor,
  configMaps,
  deleteAll,
  eventually,
  installWidgets,
  Outside,
  widget,
  widgetController,
  widgets,
} from './testing/widgets.ts'

const annotations = { paused: 'test.example.com/paused', abandon: 'test.example.com/abandon' }
const finalizer = 'test.example.com/outside'

describe('an operator on a real API server', { timeout: 240_000 }, () => {
  let admin: KubeClient
  let namespace: string
  let access: { server: string; token: string; ca: string }
  let operator: Operator | undefined
  let writes: string[]
  let client: KubeClient

  before(async () => {
    const { kubernetes } = await testStack('kubernetes')
    access = kubernetes
    admin = clientFor(kubernetes)
    client = admin
    await installWidgets(admin)
    await deleteAll(admin)
  })
  after(() => admin.close())
  afterEach(async () => {
    await operator?.stop(1000)
    operator = undefined
    await client.close()
    await deleteAll(admin) // the operator of the next test sees every namespace
  })

  /** Starts an operator for a namespace of its own. */
  async function start(controller: Controller, options: Partial<OperatorOptions> = {}): Promise<Operator> {
    const { kubernetes } = await testStack('kubernetes')
    namespace = await createNamespace(kubernetes)
    writes = []
    client = clientFor(access, {
      onRequest: (verb, resource) => {
        if (!['get', 'list', 'watch'].includes(verb) && resource === 'widgets.test.example.com') writes.push(verb)
      },
    })
    operator = createOperator({
      client,
      controllers: [controller],
      name: 'test.example.com/operator',
      annotations,
      backoff: { baseMs: 20, maxMs: 200 },
      ...options,
    })
    await operator.start()
    return operator
  }
  const key = (name: string) => keyFor(name, namespace)
  const get = (name: string) => admin.get(widgets, key(name))
  const create = (name: string, spec = {}, metadata = {}) =>
    admin.create(widgets, widget(namespace, name, spec, metadata), namespace)
  /** These writes were made since the last look, in this order: a write is seen in the object before it is answered. */
  const wrote = async (...expected: string[]) => {
    await eventually('the writes are answered', () => writes.length >= expected.length)
    assert.deepEqual(writes.splice(0), expected)
  }
  const ready = (name: string) => eventually(`${name} is Ready`, async () => isTrue(await get(name), 'Ready'))
  const gone = (name: string) =>
    eventually(`${name} is gone`, () =>
      get(name).then(
        () => false,
        error => isNotFound(error),
      ),
    )

  it('makes what the spec wants, says so with two writes, and follows a change', async () => {
    const outside = new Outside()
    await start(widgetController(outside))
    await create('w', { size: 3 })
    await ready('w')
    assert.equal(outside.sizes.get(key('w')), 3)
    await wrote('patch', 'replace status of')
    const { status, metadata } = await get('w')
    assert.equal(status?.observedGeneration, 1)
    assert.equal(status?.size, 3)
    assert.deepEqual(
      status?.conditions?.map(({ type, status }) => `${type}=${status}`),
      ['Accepted=True', 'Sized=True', 'Ready=True'],
    )
    assert.deepEqual(metadata.finalizers, [finalizer])
    await admin.patch(widgets, key('w'), { spec: { size: 4 } }, { type: 'merge' })
    await eventually('the change is observed', async () => (await get('w')).status?.observedGeneration === 2)
    assert.equal(outside.sizes.get(key('w')), 4)
    await wrote('replace status of')
  })

  it('writes nothing about idle objects, though it looks at them, and after a restart neither', async () => {
    const outside = new Outside()
    let looks = 0
    const observe = () => {
      looks += 1
      return 3
    }
    const controller = widgetController(outside, { observe })
    const first = await start(controller, { resyncSeconds: 0.05 })
    await create('w', { size: 3 })
    await ready('w')
    await wrote('patch', 'replace status of')
    const seen = looks
    await eventually('it was looked at ten times more', () => looks > seen + 10)
    await first.stop()
    operator = createOperator({ client, controllers: [controller], name: 'test.example.com/operator', annotations })
    const before = looks
    await operator.start()
    await eventually('the new operator looked at it', () => looks > before)
    await operator.stop()
    assert.deepEqual(writes, [])
  })

  it('repairs what somebody changed outside, and the status that somebody changed', async () => {
    const outside = new Outside()
    await start(widgetController(outside), { resyncSeconds: 0.1 })
    await create('w', { size: 3 })
    await ready('w')
    outside.sizes.set(key('w'), 99)
    await eventually('the size is right again', () => outside.sizes.get(key('w')) === 3)
    const lie = { status: { size: 77 } }
    await admin.patch(widgets, key('w'), lie, { type: 'merge', subresource: 'status' })
    await eventually('the status is right again', async () => (await get('w')).status?.size === 3)
  })

  it('keeps an object until what is outside is confirmed gone', async () => {
    const outside = new Outside()
    let held = true
    const cleanUp = () => (held ? waiting('Deleting', 'two pages left', { afterSeconds: 0.05 }) : undefined)
    await start(widgetController(outside, { finalizer: { name: finalizer, cleanUp } }))
    await create('w', { size: 1 })
    await ready('w')
    await admin.delete(widgets, key('w'))
    await eventually('it says why', async () => conditionOf(await get('w'), 'Ready')?.message === 'two pages left')
    assert.deepEqual((await get('w')).metadata.finalizers, [finalizer])
    held = false
    await gone('w')
  })

  it('lets go of an abandoned object without cleaning up, and tells so', async () => {
    const outside = new Outside()
    const cleanUp = () => stalled('Unreachable', 'the store is gone for good')
    await start(widgetController(outside, { finalizer: { name: finalizer, cleanUp } }))
    await create('w')
    await ready('w')
    await admin.delete(widgets, key('w'))
    await eventually('it is stalled', async () => isTrue(await get('w'), 'Stalled'))
    const { uid } = (await get('w')).metadata
    await admin.patch(
      widgets,
      key('w'),
      { metadata: { annotations: { [annotations.abandon]: uid } } },
      { type: 'merge' },
    )
    await gone('w')
    await eventually('an event tells', async () => {
      const { items } = await admin.list(events)
      return items.some(
        event => event.metadata.namespace === namespace && 'reason' in event && event.reason === 'Abandoned',
      )
    })
  })

  it('leaves a paused object as it is, and goes on when it no longer is', async () => {
    const outside = new Outside()
    await start(widgetController(outside))
    await create('w', { size: 3 }, { annotations: { [annotations.paused]: 'true' } })
    await eventually('it says so', async () => isTrue(await get('w'), 'Paused'))
    assert.equal(outside.calls.length, 0)
    await admin.patch(
      widgets,
      key('w'),
      { metadata: { annotations: { [annotations.paused]: null } } },
      { type: 'merge' },
    )
    await ready('w')
    assert.equal(conditionOf(await get('w'), 'Paused'), undefined)
  })

  it('looks again when an object it refers to changes', async () => {
    const outside = new Outside()
    const controller = widgetController(outside, {
      watches: [
        mapped(configMaps, map => (map.metadata.name === 'limits' ? [keyFor('w', map.metadata.namespace)] : [])),
      ],
      accept: (object, { read }) => {
        const found = read(configMaps).get(keyFor('limits', object.metadata.namespace))
        return found === undefined ? stalled('NoLimits', 'there is no config map limits') : undefined
      },
    })
    await start(controller)
    await create('w')
    await eventually('it is stalled', async () => isTrue(await get('w'), 'Stalled'))
    await admin.create(configMaps, { metadata: { name: 'limits' } }, namespace)
    await ready('w')
  })

  it('retries what fails, tells the reason, and says nothing twice', async () => {
    const outside = new Outside()
    let failures = 0
    const act = () => {
      failures += 1
      if (failures < 6) throw new Error('no route to the store')
      outside.sizes.set(key('w'), 2)
    }
    await start(widgetController(outside, { act }))
    await create('w', { size: 2 })
    await ready('w')
    await wrote('patch', 'replace status of', 'replace status of')
  })

  it('gives up nothing when it stops: what is under way ends, what is not begun is left', async () => {
    const outside = new Outside()
    const begun = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const act = async () => {
      begun.resolve()
      await release.promise
      outside.sizes.set(key('w'), 2)
    }
    const running = await start(widgetController(outside, { act }))
    await create('w', { size: 2 })
    await begun.promise
    const stopped = running.stop()
    await create('late', { size: 2 })
    release.resolve()
    await stopped
    assert.ok(isTrue(await get('w'), 'Ready'))
    assert.equal(conditionOf(await get('late'), 'Ready'), undefined)
    assert.deepEqual(running.unready(), ['stopping'])
  })

  it('works through a thousand objects, each with two writes', async () => {
    const outside = new Outside()
    const { read } = await start(widgetController(outside), { concurrency: 16 })
    const names = Array.from({ length: 1000 }, (_, n) => `w${n}`)
    await Promise.all(
      [0, 1, 2, 3, 4, 5, 6, 7].map(async part => {
        for (let n = part; n < names.length; n += 8) await create(`w${n}`, { size: n })
      }),
    )
    const done = () =>
      read(widgets)
        .list(namespace)
        .filter(object => isTrue(object, 'Ready')).length
    await eventually('all are Ready', () => done() === names.length, 120)
    await eventually('all writes are answered', () => writes.length >= 2 * names.length)
    assert.equal(writes.length, 2 * names.length)
    assert.equal(outside.sizes.size, names.length)
  })

  it('needs no more rights than it names, and says which one is lacking', async () => {
    const { kubernetes } = await testStack('kubernetes')
    const home = await createNamespace(kubernetes)
    await createCaller(kubernetes, home, 'operator')
    const token = await serviceAccountToken(kubernetes, { namespace: home, serviceAccount: 'operator' })
    namespace = home
    client = clientFor({ ...access, token })
    operator = createOperator({
      client,
      controllers: [widgetController(new Outside())],
      name: 'test.example.com/operator',
      annotations,
      reflector: { backoff: { baseMs: 20, maxMs: 100 } },
    })
    const started = operator.start()
    await eventually('it says what is lacking', () => /widgets.*Forbidden/.test(operator?.unready().join() ?? ''))
    await grant(admin, home, [
      { apiGroups: ['test.example.com'], resources: ['widgets'], verbs: ['list', 'watch', 'get', 'patch'] },
      { apiGroups: ['test.example.com'], resources: ['widgets/status'], verbs: ['update'] },
      { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
    ])
    await started
    await create('w', { size: 1 })
    await ready('w')
    await admin.delete(widgets, key('w'))
    await gone('w')
  })
})
