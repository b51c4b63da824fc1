import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Table } from '../../crds/types.gen.ts'
import { planSchema } from '../../engine/schema/evolve.ts'
import { judge, type Mark, markMetadata } from '../marks.ts'
import type { TableObserved } from './observe.ts'
import { planTable, streamOfEpoch } from './plan.ts'
import { tableStatus } from './status.ts'

const mark: Mark = {
  installation: 'prod',
  kind: 'Table',
  namespace: 'cinema',
  name: 'films',
  namespaceUid: 'ns',
  uid: 'uid-1',
}
const name = 'prod-table--cinema--films'
const columns = [
  { name: 'id', type: 'String' as const, required: false },
  { name: 'title', type: 'String' as const, required: false },
]
const spec: Table['spec'] = {
  columns,
  primaryKey: ['id'],
  log: { maxBytes: '1Mi', retentionSeconds: 604_800 },
  lake: { commitWindowSeconds: 30, historySeconds: 2_592_000 },
  query: { engine: 'Auto' },
  driftPolicy: 'Correct',
  deletionPolicy: 'Retain',
  deleteAfterSeconds: 86_400,
}
const planned = planSchema(spec, undefined)
assert.ok(planned.kind === 'next')
const schema = planned.schema

const table = (status: Partial<Table['status']> = {}, change: Partial<Table['spec']> = {}): Table => ({
  apiVersion: 'blasty.dev/v1alpha1',
  kind: 'Table',
  metadata: {
    name: 'films',
    namespace: 'cinema',
    uid: mark.uid,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '',
  },
  spec: { ...spec, ...change },
  status: { observedGeneration: -1, ...status },
})

/** What status says of a Table that is made, at `revision`. */
const made = (revision: number): Partial<Table['status']> => {
  const report = tableStatus(table(), whole({ progress: { revision: String(revision) } }))
  return { observedGeneration: 1, ...report.fields }
}

const empty: TableObserved = {
  target: {
    className: 'standard',
    bucket: name,
    stream: name,
    mark,
    adoption: { asked: false, namespaceUids: [] },
    settings: { maxBytes: 1_048_576, retentionSeconds: 604_800, replicas: 1 },
  },
  bucket: undefined,
  stream: undefined,
  schema: undefined,
  announced: 0,
  known: 0,
  floor: 0,
  full: false,
  lake: undefined,
  progress: { revision: '0' },
  served: { facades: 1, behind: [] },
}

function bucketOf(owner: Mark | undefined, adoption = empty.target.adoption): TableObserved['bucket'] {
  const seen = owner === undefined ? ({ marked: 'no' } as const) : ({ marked: 'yes', mark: owner } as const)
  return { seen, ownership: judge(`bucket ${name}`, seen, mark, adoption) }
}

type StreamChange = { owner?: Mark | undefined; epoch?: number; first?: number; last?: number; config?: object }

function streamOf(change: StreamChange = {}, adoption = empty.target.adoption): TableObserved['stream'] {
  const owner = 'owner' in change ? change.owner : mark
  const found = owner === undefined ? ({ marked: 'no' } as const) : ({ marked: 'yes', mark: owner } as const)
  const wanted = streamOfEpoch(table(), empty.target, change.epoch ?? 1)
  const config: object = { ...wanted, metadata: { ...wanted.metadata, ...markMetadata(mark) }, ...change.config }
  const seen = { found, epoch: change.epoch ?? 1, first: change.first ?? 1, last: change.last ?? 1, config }
  return { seen, ownership: judge(`stream ${name}`, found, mark, adoption) } as TableObserved['stream']
}

/** All that a Table has, with changes. */
const whole = (change: Partial<TableObserved> = {}): TableObserved => ({
  ...empty,
  bucket: bucketOf(mark),
  stream: streamOf(),
  schema,
  announced: 1,
  known: 1,
  progress: { revision: '1' },
  ...change,
})

const asked = { asked: true, namespaceUids: [] }
const adopting = { ...empty.target, adoption: asked }
const earlier: Mark = { ...mark, uid: 'uid-0' }
const more = [...columns, { name: 'year', type: 'Int32' as const, required: false }]

type Case = {
  title: string
  table?: Table
  observed: TableObserved
  does?: string[]
  blocked?: string
  condition?: string
}
const cases: Case[] = [
  {
    title: 'a new Table gets bucket, stream, schema and its announcement',
    observed: empty,
    does: ['CreateBucket', 'CreateStream', 'WriteSchema', 'AnnounceSchemas'],
  },
  { title: 'a Table that is as it should be is left alone', table: table(made(1)), observed: whole(), does: [] },
  {
    title: 'a bucket that a crash left without its mark is claimed',
    observed: { ...empty, bucket: bucketOf(undefined) },
    does: ['ClaimBucket', 'CreateStream', 'WriteSchema', 'AnnounceSchemas'],
  },
  {
    title: 'after a crash before the announcement only that is done',
    observed: whole({ announced: 0, stream: streamOf({ last: 0 }) }),
    does: ['AnnounceSchemas'],
  },
  {
    title: 'a bucket of another is left alone, and nothing is made beside it',
    observed: { ...empty, bucket: bucketOf({ ...mark, installation: 'test', uid: 'x' }) },
    blocked: 'OwnedByOther',
    condition: 'BucketReady',
  },
  {
    title: 'a stream without a mark is left alone',
    observed: whole({ stream: streamOf({ owner: undefined }) }),
    blocked: 'NotMarked',
    condition: 'LogReady',
  },
  {
    title: 'retained data is not taken over unasked',
    observed: whole({ bucket: bucketOf(earlier), stream: streamOf({ owner: earlier, last: 9 }) }),
    blocked: 'RetainedData',
    condition: 'BucketReady',
  },
  {
    title: 'retained data is taken over when asked',
    observed: whole({
      target: adopting,
      bucket: bucketOf(earlier, asked),
      stream: streamOf({ owner: earlier, last: 9 }, asked),
    }),
    does: ['AdoptBucket', 'AdoptStream'],
  },
  {
    title: 'retained data whose log is gone is not begun anew',
    observed: whole({ target: adopting, bucket: bucketOf(earlier, asked), stream: undefined }),
    blocked: 'LogLost',
    condition: 'LogReady',
  },
  {
    title: 'a retained log whose bucket is gone is not begun anew',
    observed: whole({ target: adopting, bucket: undefined, stream: streamOf({ owner: earlier, last: 9 }, asked) }),
    blocked: 'LakeLost',
    condition: 'BucketReady',
  },
  {
    title: 'a stream that was never written and vanished is remade',
    table: table(made(1)),
    observed: whole({ stream: undefined, announced: 0 }),
    does: ['CreateStream', 'AnnounceSchemas'],
  },
  {
    title: 'a written log that vanished is not remade',
    table: table(made(7)),
    observed: whole({ stream: undefined, announced: 0, known: 7 }),
    blocked: 'LogLost',
    condition: 'LogReady',
  },
  {
    title: 'a log that only the facades know to be written is not remade either',
    table: table(made(1)),
    observed: whole({ stream: undefined, announced: 0, known: 2 }),
    blocked: 'LogLost',
  },
  {
    title: 'a log that ends before what was seen is lost',
    table: table(made(7)),
    observed: whole({ stream: streamOf({ last: 3 }), known: 7 }),
    blocked: 'LogLost',
  },
  {
    title: 'a log whose beginning was purged by another is lost',
    table: table(made(7)),
    observed: whole({ stream: streamOf({ first: 4, last: 7 }), known: 7 }),
    blocked: 'LogLost',
  },
  {
    title: 'a log of an earlier epoch is lost',
    table: table({ ...made(7), external: { bucket: name, stream: name, epoch: 2 } }),
    observed: whole({ stream: streamOf({ last: 9 }), known: 7 }),
    blocked: 'LogLost',
  },
  {
    title: 'a log that a repair began anew says up to where the lake has the rows, before schemas are announced in it',
    table: table(made(7)),
    observed: whole({
      known: 7,
      announced: 0,
      stream: streamOf({ epoch: 2, first: 100, last: 99 }),
    }),
    does: ['DeclareFloor', 'AnnounceSchemas'],
  },
  {
    title: 'a log of a later epoch that lacks its beginning is lost like any other',
    table: table({ ...made(107), external: { bucket: name, stream: name, epoch: 2 } }),
    observed: whole({ known: 107, floor: 99, stream: streamOf({ epoch: 2, first: 105, last: 107 }) }),
    blocked: 'LogLost',
    condition: 'LogReady',
  },
  {
    title: 'a repaired log of a later epoch is taken as it is',
    table: table(made(7)),
    observed: whole({
      stream: streamOf({ epoch: 2, last: 1 }),
      known: 7,
    }),
    does: [],
  },
  {
    title: 'a written bucket that vanished is not remade',
    table: table(made(7)),
    observed: whole({ bucket: undefined, schema: undefined, stream: streamOf({ last: 7 }), known: 7 }),
    blocked: 'LakeLost',
    condition: 'BucketReady',
  },
  {
    title: 'a bucket of a Table that was never written is remade with its schema',
    table: table(made(1)),
    observed: whole({ bucket: undefined, schema: undefined }),
    does: ['CreateBucket', 'WriteSchema'],
  },
  {
    title: 'a column added leads to the next schema',
    table: table(made(7), { columns: more }),
    observed: whole({ stream: streamOf({ last: 7 }), known: 7 }),
    does: ['WriteSchema', 'AnnounceSchemas'],
  },
  {
    title: 'a change that admission let through and the schema in force does not is refused',
    table: table(made(7), { columns: [{ name: 'id', type: 'Int64', required: false }] }),
    observed: whole({ stream: streamOf({ last: 7 }), known: 7 }),
    blocked: 'SchemaChangeRefused',
  },
  {
    title: 'a stream that somebody changed is set right',
    table: table(made(1)),
    observed: whole({ stream: streamOf({ config: { max_bytes: 5 } }) }),
    does: ['UpdateStream'],
  },
  {
    title: 'under Observe a stream that somebody changed is left so',
    table: table(made(1), { driftPolicy: 'Observe' }),
    observed: whole({ stream: streamOf({ config: { max_bytes: 5 } }) }),
    does: [],
  },
  {
    title: 'under Observe a new size in the spec is still set',
    table: table(made(1), { driftPolicy: 'Observe', log: { maxBytes: '2Mi', retentionSeconds: 604_800 } }),
    observed: whole({
      target: { ...empty.target, settings: { maxBytes: 2_097_152, retentionSeconds: 604_800, replicas: 1 } },
    }),
    does: ['UpdateStream'],
  },
]

for (const { title, table: given = table(), observed, does, blocked, condition } of cases) {
  test(title, () => {
    const plan = planTable(given, observed)
    if ('blocked' in plan) {
      assert.equal(plan.reason, blocked, plan.message)
      if (condition !== undefined) assert.equal(plan.condition, condition)
    } else {
      assert.equal(blocked, undefined)
      assert.deepEqual(
        plan.map(({ type }) => type),
        does,
      )
    }
  })
}

test('the schemas that were not announced yet are announced one by one', () => {
  const plan = planTable(table(made(7), { columns: more }), whole({ stream: streamOf({ last: 7 }), known: 7 }))
  assert.ok(!('blocked' in plan))
  assert.deepEqual(plan.at(-1), { type: 'AnnounceSchemas', epoch: 1, after: 1, to: 2 })
})

const conditionOf = (given: Table, observed: TableObserved, type: string) => {
  const found = tableStatus(given, observed).conditions.find(condition => condition.type === type)
  return `${found?.status} ${found?.reason}`
}

test('a Table is not served without a facade, nor while one is behind', () => {
  assert.equal(conditionOf(table(), whole({ served: { facades: 0, behind: [] } }), 'Served'), 'False NoFacade')
  assert.equal(conditionOf(table(), whole({ served: { facades: 2, behind: ['f2'] } }), 'Served'), 'False FacadeBehind')
  assert.equal(conditionOf(table(), whole(), 'Served'), 'True Served')
})

test('drift under Observe is told and is no fault', () => {
  const drifted = whole({ stream: streamOf({ config: { max_bytes: 5 } }) })
  assert.equal(conditionOf(table(made(1), { driftPolicy: 'Observe' }), drifted, 'LogReady'), 'True Drifted')
})

test('the status names a schema only once it is announced, and keeps the one before', () => {
  const before = table(made(7), { columns: more })
  const next = planSchema(before.spec, schema)
  assert.ok(next.kind === 'next')
  const written = whole({ schema: next.schema, stream: streamOf({ last: 7 }), known: 7 })
  const fields = (observed: TableObserved) => tableStatus(before, observed).fields as Table['status']
  assert.equal(fields(written).schema?.number, 1)
  assert.equal(fields({ ...written, announced: 2 }).schema?.number, 2)
  assert.equal(fields(written).service, 'blasty.tables.cinema.v1.FilmsService')
})

test('what a lost log held stays in the status', () => {
  const fields = tableStatus(table(made(7)), whole({ stream: undefined, known: 7 })).fields as Table['status']
  assert.equal(fields.progress?.revision, '7')
  assert.equal(conditionOf(table(made(7)), whole({ stream: undefined, known: 7 }), 'LogReady'), 'False LogLost')
})
