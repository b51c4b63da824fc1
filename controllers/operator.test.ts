import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testStack, uniqueName } from '../devstack/testing.ts'
import { accessPolicies, backendClasses, tables } from '../directory/kinds.ts'
import { type Condition, keyFor } from '../operator/mod.ts'
import { eventually } from '../operator/testing/widgets.ts'
import type { OperatorRole } from './operator.ts'
import { type Bench, classSpec, openBench, openGate, type TestStack, told, until } from './testing.ts'

let stack: TestStack
let bench: Bench
let operator: OperatorRole

before(async () => {
  stack = await testStack('kubernetes', 'nats', 'objectStore', 'search')
  bench = await openBench(stack)
  operator = await bench.start()
  await bench.facade()
})
after(async () => {
  await operator?.stop()
  await bench?.close()
})

const table = (backendClassName: string) => ({
  backendClassName,
  columns: [{ name: 'id', type: 'String' }],
  log: { maxBytes: '1Mi' },
})
const messageOf = (object: { status?: { conditions?: readonly Condition[] } }, type: string) =>
  object.status?.conditions?.find(condition => condition.type === type)?.message ?? ''

/** Another class of the same operator. */
async function another(spec: object): Promise<string> {
  const name = uniqueName('class')
  const { controllerName } = bench
  const whole = { ...classSpec(stack), installationID: uniqueName('i'), controllerName, ...spec }
  await bench.client.create(backendClasses, { metadata: { name }, spec: whole })
  return name
}
const classReached = (name: string, type: string, wanted: string) =>
  until(bench.client, backendClasses, keyFor(name), `${type} ${wanted}`, it => told(it, type) === wanted)
const tableReached = (name: string, type: string, wanted: string) =>
  until(bench.client, tables, keyFor(name, bench.namespace), `${type} ${wanted}`, it => told(it, type) === wanted)

test('a class is Ready with the versions of its backends and what they can do', async () => {
  const { status } = await classReached(bench.className, 'Ready', 'True Ready')
  assert.match(status.versions?.streams ?? '', /^\d+\.\d+\.\d+$/)
  assert.match(status.versions?.search ?? '', /^\d+\.\d+\.\d+$/)
  assert.equal(status.versions?.objectStore, 'MinIO')
  assert.deepEqual(status.capabilities, { conditionalPut: true, atomicBatches: true })
})

test('a class whose Secret is not there, or not to be read, says so', async () => {
  const credentials = { ...classSpec(stack).credentials, operator: { secretRef: { name: 'nobody' } } }
  const name = await another({ credentials })
  const found = await classReached(name, 'Ready', 'False SecretForbidden')
  assert.match(messageOf(found, 'Ready'), /Secret blasty-system\/nobody/)
  await bench.client.delete(backendClasses, keyFor(name))
})

test('while a backend is away class and Table say so, and go on when it is back', async () => {
  const { port } = new URL(stack.objectStore.endpoint)
  const gate = await openGate(Number(port))
  const { region } = stack.objectStore
  const name = await another({ objectStore: { endpoint: `http://127.0.0.1:${gate.port}`, region, pathStyle: true } })
  await classReached(name, 'Ready', 'True Ready')
  await gate.shut()
  await classReached(name, 'Reachable', 'False BackendUnavailable')
  await bench.create(tables, 'waits', table(name))
  const waiting = await tableReached('waits', 'Reconciling', 'True BackendUnavailable')
  assert.match(messageOf(waiting, 'Ready'), /the object store does not answer/)
  await gate.open()
  await until(bench.client, tables, keyFor('waits', bench.namespace), 'made', it => it.status.external !== undefined)
  await classReached(name, 'Ready', 'True Ready')
  await gate.shut()
  await bench.client.delete(backendClasses, keyFor(name))
})

test('a Table of a class that another operator serves is not touched', async () => {
  const name = await another({ controllerName: 'test.blasty.dev/nobody' })
  await eventually(
    'the operator knows the class',
    () => operator.operator.read(backendClasses).get(keyFor(name)) !== undefined,
  )
  const created = await bench.create(tables, 'theirs', table(name))
  await bench.create(tables, 'ours', table(bench.className))
  await tableReached('ours', 'Ready', 'True Ready')
  const after = await bench.client.get(tables, keyFor('theirs', bench.namespace))
  assert.equal(after.metadata.resourceVersion, created.metadata.resourceVersion)
  assert.equal((await bench.client.get(backendClasses, keyFor(name))).status.observedGeneration, -1)
  await bench.client.delete(backendClasses, keyFor(name))
})

test('an AccessPolicy is accepted, and allows nothing once it has expired', async () => {
  const spec = { subjects: [{ kind: 'User', name: 'u' }], rules: [{ tables: { names: ['films'] }, actions: ['Get'] }] }
  const reached = (name: string, type: string, wanted: string) =>
    until(bench.client, accessPolicies, keyFor(name, bench.namespace), wanted, it => told(it, type) === wanted)
  await bench.create(accessPolicies, 'lasting', spec)
  await reached('lasting', 'Ready', 'True Ready')
  const expiresAt = new Date(Date.now() + 2_500).toISOString()
  await bench.create(accessPolicies, 'short', { ...spec, expiresAt })
  await reached('short', 'Accepted', 'True Accepted')
  await reached('short', 'Expired', 'True Expired')
  const over = await reached('short', 'Accepted', 'False Expired')
  assert.equal(told(over, 'Ready'), 'False Expired')
})

test('an operator that is started anew finds all as it should be and writes nothing', async () => {
  await bench.create(tables, 'kept', table(bench.className))
  const before = await tableReached('kept', 'Ready', 'True Ready')
  await operator.stop()
  operator = await bench.start()
  await eventually('it has looked', async () =>
    /operator_reconciles_total\{controller="tables",result="ready"\} [1-9]/.test(
      await operator.operator.metrics.registry.metrics(),
    ),
  )
  const now = await bench.client.get(tables, keyFor('kept', bench.namespace))
  assert.equal(now.metadata.resourceVersion, before.metadata.resourceVersion)
})
