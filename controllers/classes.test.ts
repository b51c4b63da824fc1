import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendClass, Table } from '../crds/types.gen.ts'
import type { Key, KubeObject, Reader } from '../operator/mod.ts'
import { classNameOf, judgeClass, logSettings } from './classes.ts'
import { servesTable } from './served.ts'

const meta = (name: string, created = '2026-01-01T00:00:00Z') => ({
  name,
  uid: name,
  resourceVersion: '1',
  generation: 1,
  creationTimestamp: created,
})

function classOf(
  name: string,
  spec: Partial<BackendClass['spec']> = {},
  isDefault = false,
  created?: string,
): BackendClass {
  const ref = { secretRef: { name: 's' } }
  return {
    apiVersion: 'blasty.dev/v1alpha1',
    kind: 'BackendClass',
    metadata: { ...meta(name, created), ...(isDefault && { annotations: { 'blasty.dev/is-default-class': 'true' } }) },
    spec: {
      controllerName: 'blasty.dev/main',
      installationID: 'prod',
      objectStore: { endpoint: 'http://s', region: 'r', pathStyle: true },
      streams: { servers: ['nats://n'], replicas: 3 },
      search: { hosts: ['http://m'] },
      credentials: { operator: ref, worker: ref, facade: ref },
      limits: {},
      ...spec,
    },
    status: { observedGeneration: 1 },
  }
}

function tableOf(name: string, change: { spec?: object; status?: object; created?: string } = {}): Table {
  const spec = {
    columns: [],
    log: { retentionSeconds: 604_800 },
    lake: { commitWindowSeconds: 30, historySeconds: 2_592_000 },
    query: { engine: 'Auto' },
    driftPolicy: 'Correct',
    deletionPolicy: 'Retain',
  } as const
  return {
    apiVersion: 'blasty.dev/v1alpha1',
    kind: 'Table',
    metadata: { ...meta(name, change.created), namespace: 'cinema' },
    spec: { ...spec, columns: [], deleteAfterSeconds: 0, ...change.spec },
    status: { observedGeneration: -1, ...change.status },
  }
}

const cinema = { apiVersion: 'v1', kind: 'Namespace', metadata: { ...meta('cinema'), labels: { blasty: 'yes' } } }

/** A cluster that holds these. */
function readerOf(objects: readonly KubeObject[]): Reader {
  return kind => {
    const held = objects.filter(object => object.kind === kind.kind).map(object => kind.decode(object))
    return {
      get: (key: Key) =>
        held.find(({ metadata: { namespace, name } }) => (namespace ? `${namespace}/${name}` : name) === key),
      list: (namespace?: string) =>
        held.filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace),
      by: () => [],
      size: held.length,
    }
  }
}

test('a Table has the class it names, else the newest default, and keeps the one recorded', () => {
  const read = readerOf([
    classOf('old', {}, true, '2026-01-01T00:00:00Z'),
    classOf('new', {}, true, '2026-02-01T00:00:00Z'),
    classOf('named'),
  ])
  assert.equal(classNameOf(tableOf('t', { spec: { backendClassName: 'named' } }), read), 'named')
  assert.equal(classNameOf(tableOf('t'), read), 'new')
  assert.equal(classNameOf(tableOf('t', { status: { backendClassName: 'old' } }), read), 'old')
  assert.equal(classNameOf(tableOf('t'), readerOf([classOf('named')])), undefined)
})

test('of two operators only that of the class serves a Table', () => {
  const read = readerOf([classOf('a'), classOf('b', { controllerName: 'blasty.dev/other' }, true)])
  const a = tableOf('t', { spec: { backendClassName: 'a' } })
  assert.equal(servesTable(a, 'blasty.dev/main', read), true)
  assert.equal(servesTable(a, 'blasty.dev/other', read), false)
  assert.equal(servesTable(tableOf('t'), 'blasty.dev/main', read), false)
})

const named = { backendClassName: 'a' }
const external = { bucket: 'b', stream: 's', epoch: 1 }
const unfit = { ...classOf('a'), status: { observedGeneration: 1, capabilities: { atomicBatches: false } } }
const cases: { title: string; objects: KubeObject[]; table?: Table; is?: string }[] = [
  {
    title: 'a Table without a class waits for a default',
    objects: [cinema],
    table: tableOf('t'),
    is: 'Waiting NoDefaultClass',
  },
  { title: 'a Table whose class is not there waits for it', objects: [cinema], is: 'Waiting ClassNotFound' },
  {
    title: 'a Table whose class is gone is stalled',
    objects: [cinema],
    table: tableOf('t', { spec: named, status: { external } }),
    is: 'Stalled ClassNotFound',
  },
  { title: 'a class without limits accepts', objects: [cinema, classOf('a')] },
  {
    title: 'a class that allows the namespace by its labels accepts',
    objects: [cinema, classOf('a', { allowedNamespaces: { matchLabels: { blasty: 'yes' } } })],
  },
  {
    title: 'a class that does not allow the namespace refuses',
    objects: [cinema, classOf('a', { allowedNamespaces: { matchLabels: { blasty: 'no' } } })],
    is: 'Refused NamespaceNotAllowed',
  },
  {
    title: 'a log larger than the class allows is refused',
    objects: [cinema, classOf('a', { limits: { tableLogBytes: '1Gi' } })],
    table: tableOf('t', { spec: { ...named, log: { maxBytes: '1025Mi', retentionSeconds: 604_800 } } }),
    is: 'Refused LogTooLarge',
  },
  {
    title: 'a log as large as the class allows is accepted',
    objects: [cinema, classOf('a', { limits: { tableLogBytes: '1Gi' } })],
    table: tableOf('t', { spec: { ...named, log: { maxBytes: '1024Mi', retentionSeconds: 604_800 } } }),
  },
  {
    title: 'one Table more than the class allows is refused',
    objects: [
      cinema,
      classOf('a', { limits: { tablesPerNamespace: 1 } }),
      tableOf('older', { spec: named, created: '2025-01-01T00:00:00Z' }),
    ],
    is: 'Refused TooManyTables',
  },
  {
    title: 'younger Tables and those of other classes do not count',
    objects: [
      cinema,
      classOf('a', { limits: { tablesPerNamespace: 1 } }),
      tableOf('younger', { spec: named, created: '2027-01-01T00:00:00Z' }),
      tableOf('other', { spec: { backendClassName: 'b' }, created: '2025-01-01T00:00:00Z' }),
    ],
  },
  {
    title: 'a class whose NATS has no atomic batches holds no Table',
    objects: [cinema, unfit],
    is: 'Stalled BackendUnfit',
  },
]
for (const { title, objects, table = tableOf('t', { spec: named }), is } of cases) {
  test(title, () => {
    const blocked = judgeClass(table, readerOf([...objects, table]))
    assert.equal(blocked && `${blocked.blocked} ${blocked.reason}`, is, blocked?.message)
  })
}

test('what the spec leaves open the class decides', () => {
  assert.deepEqual(logSettings(tableOf('t'), classOf('a')), {
    maxBytes: 2 ** 30,
    retentionSeconds: 604_800,
    replicas: 3,
  })
  const small = classOf('a', { limits: { tableLogBytes: '64Mi' } })
  assert.deepEqual(logSettings(tableOf('t'), small), { maxBytes: 2 ** 26, retentionSeconds: 604_800, replicas: 3 })
  const table = tableOf('t', { spec: { log: { maxBytes: '2Mi', retentionSeconds: 604_800, replicas: 1 } } })
  assert.deepEqual(logSettings(table, small), { maxBytes: 2 ** 21, retentionSeconds: 604_800, replicas: 1 })
})
