/** Tables whose query engine is Trino are known to it while they ask for it, and nobody else's name is touched. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Trino, trino } from '../../backends/trino/client.ts'
import { registerTable, tableLocation, unregisterTable } from '../../backends/trino/tables.ts'
import type { Table } from '../../crds/types.gen.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { testStack, testTrino, uniqueName } from '../../devstack/testing.ts'
import { backendClasses, tables } from '../../directory/kinds.ts'
import { keyFor } from '../../operator/mod.ts'
import { eventually } from '../../operator/testing/widgets.ts'
import { everyType } from '../../test/readers/every-type.ts'
import { creation, plainDelta } from '../../test/readers/plain-delta.ts'
import type { OperatorRole } from '../operator.ts'
import { type Bench, emptyBucket, type Facade, openBench, told, until, untilGone } from '../testing.ts'
import { type TrinoSeen, trinoActions, trinoCondition, trinoRecord } from './trino.ts'

const missing = await missingHere('trino')
const withTrino = testNeeding(missing)

let bench: Bench
let operator: OperatorRole
let facade: Facade
let client: Trino
let catalog = ''

before(async () => {
  if (missing !== undefined) return
  const info = await testTrino()
  catalog = info.catalog
  client = trino({ server: info.server, user: 'test' })
  bench = await openBench(await testStack('kubernetes', 'nats', 'objectStore'), { trino: info })
  operator = await bench.start()
  facade = await bench.facade()
})
after(async () => {
  await operator?.stop()
  await bench?.close()
})

const spec = (engine: string, change: object = {}) => ({
  backendClassName: bench.className,
  columns: [{ name: 'id', type: 'String' }],
  primaryKey: ['id'],
  query: { engine },
  ...change,
})
const keyOf = (name: string) => keyFor(name, bench.namespace)
const reached = (name: string, type: string, wanted: string) =>
  until(bench.client, tables, keyOf(name), `${type} ${wanted}`, table => told(table, type) === wanted)
const named = (name: string) => ({ catalog, schema: bench.namespace, table: name })
const patch = (name: string, change: object) =>
  bench.client.patch(tables, keyOf(name), change, { type: 'merge', fieldManager: 'test' })

/** A lake in the Table's bucket, and an archiver that tells of it. */
async function withLake(table: Table): Promise<string> {
  const { uid } = table.metadata
  const { bucket = '', epoch = 0 } = table.status?.external ?? {}
  await using writer = await plainDelta(bench.objects, { bucket, path: 'lake' })
  await writer.commit(0, ...creation(everyType))
  const progress = { worker: 'w', epoch, revision: 1, version: 0, rows: 0, files: 0, bytes: 0 }
  await facade.publish({ kind: 'lake', tableUid: uid, ...progress })
  return `s3://${bucket}/lake`
}

withTrino('a Table is known to Trino once it has a lake, forgotten with its engine, and known again', async () => {
  const name = uniqueName('t')
  await bench.create(tables, name, spec('Trino'))
  await reached(name, 'TrinoReady', 'False NoLake')
  const table = await reached(name, 'Ready', 'True Ready')
  const location = await withLake(table)
  const { status } = await reached(name, 'TrinoReady', 'True Registered')
  assert.equal(status?.external?.trino, location)
  assert.equal(await tableLocation(client, named(name)), location)

  await patch(name, { spec: { query: { engine: 'Embedded' } } })
  const back = await reached(name, 'TrinoReady', 'none')
  await eventually('it is forgotten', async () => (await tableLocation(client, named(name))) === undefined)
  assert.equal(told(back, 'Ready'), 'True Ready')
  await patch(name, { spec: { query: { engine: 'Trino' } } })
  await reached(name, 'TrinoReady', 'True Registered')

  // Whoever made Trino forget it by hand sees it known again.
  await unregisterTable(client, named(name))
  await eventually('it is known again', async () => (await tableLocation(client, named(name))) === location)

  await bench.client.delete(tables, keyOf(name))
  await untilGone(bench.client, tables, keyOf(name))
  assert.equal(await tableLocation(client, named(name)), undefined, 'its data is retained, its name is free')
  await emptyBucket(bench.objects, table.status?.external?.bucket ?? '')
})

withTrino('a name that another place bears is left alone, and so is a Table that does not ask for Trino', async () => {
  const [taken, plain] = [uniqueName('t'), uniqueName('t')]
  await bench.create(tables, plain, spec('Embedded'))
  const other = await reached(plain, 'Ready', 'True Ready')
  const elsewhere = await withLake(other)
  await registerTable(client, named(taken), elsewhere)
  await bench.create(tables, taken, spec('Trino'))
  const table = await reached(taken, 'Ready', 'True Ready')
  await withLake(table)
  await reached(taken, 'TrinoReady', 'False NameTaken')
  await bench.client.delete(tables, keyOf(taken))
  await untilGone(bench.client, tables, keyOf(taken))
  assert.equal(await tableLocation(client, named(taken)), elsewhere)
  assert.equal(await tableLocation(client, named(plain)), undefined)
  assert.equal(told(await reached(plain, 'Ready', 'True Ready'), 'TrinoReady'), 'none')
  await unregisterTable(client, named(taken))
  await bench.client.delete(tables, keyOf(plain))
  await untilGone(bench.client, tables, keyOf(plain))
  for (const one of [table, other]) await emptyBucket(bench.objects, one.status?.external?.bucket ?? '')
})

withTrino('the class tells of Trino; one that does not answer leaves its Tables ready, and lets them go', async () => {
  const found = await until(
    bench.client,
    backendClasses,
    keyFor(bench.className),
    'Reachable',
    one => one.status?.versions?.trino !== undefined,
  )
  assert.equal(found.status?.versions?.trino, '476')
  const info = await testStack('kubernetes', 'nats', 'objectStore')
  const away = await openBench(info, { trino: { server: 'http://127.0.0.1:1', catalog } })
  const itsOperator = await away.start()
  try {
    const itsFacade = await away.facade()
    const unreachable = await until(
      away.client,
      backendClasses,
      keyFor(away.className),
      'not Reachable',
      one => told(one, 'Reachable') === 'False BackendUnavailable',
    )
    assert.match(unreachable.status?.conditions?.find(({ type }) => type === 'Reachable')?.message ?? '', /Trino/)
    const name = uniqueName('t')
    await away.create(tables, name, { ...spec('Trino'), backendClassName: away.className })
    const key = keyFor(name, away.namespace)
    const ready = await until(away.client, tables, key, 'Ready', table => told(table, 'Ready') === 'True Ready')
    const progress = { worker: 'w', epoch: 1, revision: 1, version: 0, rows: 0, files: 0, bytes: 0 }
    await itsFacade.publish({ kind: 'lake', tableUid: ready.metadata.uid, ...progress })
    const failing = await until(
      away.client,
      tables,
      key,
      'Failing',
      table => told(table, 'TrinoReady') === 'False Failing',
    )
    assert.equal(told(failing, 'Ready'), 'True Ready')
    await away.client.delete(tables, key)
    await untilGone(away.client, tables, key)
    await emptyBucket(away.objects, ready.status?.external?.bucket ?? '')
  } finally {
    await itsOperator.stop()
    await away.close()
  }
})

const bucket = 'i--films'
const here = 's3://i--films/lake'
const cases: readonly {
  readonly title: string
  readonly engine?: 'Auto' | 'Embedded' | 'Trino'
  readonly large?: true
  readonly recorded?: string
  readonly seen: TrinoSeen | undefined
  readonly actions?: readonly object[]
  readonly record?: string
  readonly told?: string
}[] = [
  { title: 'another engine, never registered', engine: 'Embedded', seen: undefined },
  { title: 'no lake yet', seen: { kind: 'noLake' }, told: 'False NoLake' },
  { title: 'a class without Trino', seen: { kind: 'noTrino' }, recorded: here, record: here, told: 'False NoTrino' },
  {
    title: 'Trino is away',
    seen: { kind: 'failed', problem: 'away' },
    recorded: here,
    record: here,
    told: 'False Failing',
  },
  {
    title: 'unknown',
    seen: { kind: 'known', location: undefined },
    actions: [{ type: 'RegisterTrino', location: here }],
    told: 'False Registering',
  },
  { title: 'known', seen: { kind: 'known', location: here }, record: here, told: 'True Registered' },
  {
    title: 'known under a place it had before',
    seen: { kind: 'known', location: 's3://old/lake' },
    recorded: 's3://old/lake',
    actions: [{ type: 'RegisterTrino', location: here, instead: 's3://old/lake' }],
    record: 's3://old/lake',
    told: 'False NameTaken',
  },
  { title: "another's name", seen: { kind: 'known', location: 's3://other/lake' }, told: 'False NameTaken' },
  {
    title: 'another engine, still registered',
    engine: 'Embedded',
    seen: { kind: 'known', location: here },
    recorded: here,
    actions: [{ type: 'UnregisterTrino' }],
    record: here,
  },
  {
    title: 'another engine, forgotten',
    engine: 'Embedded',
    seen: { kind: 'known', location: undefined },
    recorded: here,
  },
  {
    title: "another engine, and the name is another's by now",
    engine: 'Embedded',
    seen: { kind: 'known', location: 's3://other/lake' },
    recorded: here,
  },
  { title: 'Auto, and small', engine: 'Auto', seen: undefined },
  { title: 'Auto, and large, in a class without Trino', engine: 'Auto', large: true, seen: { kind: 'noTrino' } },
  {
    title: 'Auto, and large',
    engine: 'Auto',
    large: true,
    seen: { kind: 'known', location: undefined },
    actions: [{ type: 'RegisterTrino', location: here }],
    told: 'False Registering',
  },
  {
    title: 'Auto, and large, and known',
    engine: 'Auto',
    large: true,
    seen: { kind: 'known', location: here },
    record: here,
    told: 'True Registered',
  },
  {
    title: 'Auto, and small again: it stays for whoever is there',
    engine: 'Auto',
    seen: { kind: 'known', location: here },
    recorded: here,
    record: here,
  },
]
for (const {
  title,
  engine = 'Trino',
  large = false,
  recorded,
  seen,
  actions = [],
  record,
  told: wanted = 'none',
} of cases) {
  test(`what is done with Trino: ${title}`, () => {
    // What the functions look at; a whole Table says nothing more about it.
    const table = {
      spec: { query: { engine } },
      status: { external: { ...(recorded === undefined ? {} : { trino: recorded }) } },
    } as unknown as Table
    const observed = { target: { bucket }, trino: seen, large }
    assert.deepEqual(trinoActions(table, observed), actions)
    assert.equal(trinoRecord(table, observed).trino, record)
    const condition = trinoCondition(table, observed)
    assert.equal(condition === undefined ? 'none' : `${condition.status} ${condition.reason}`, wanted)
  })
}
