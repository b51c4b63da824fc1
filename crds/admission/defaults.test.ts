/** What a real API server adds to the least that a spec can say. */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { createNamespace, testStack } from '../../devstack/testing.ts'
import { loadCrds } from '../load.ts'
import { type Admission, openAdmission } from './admission.ts'
import { type Kind, minimal } from './examples.ts'

const added: Record<Kind, object> = {
  BackendClass: {
    controllerName: 'blasty.dev/main',
    objectStore: { ...minimal.BackendClass.objectStore, region: 'us-east-1', pathStyle: true },
    streams: { ...minimal.BackendClass.streams, replicas: 3 },
    limits: {},
  },
  Table: {
    columns: [{ name: 'title', type: 'String', required: false }],
    log: { retentionSeconds: 604_800 },
    lake: { commitWindowSeconds: 30, historySeconds: 2_592_000 },
    query: { engine: 'Auto' },
    driftPolicy: 'Correct',
    deletionPolicy: 'Retain',
    deleteAfterSeconds: 86_400,
  },
  Index: {
    ranking: ['Words', 'Typo', 'Proximity', 'Attribute', 'Sort', 'Exactness'],
    typoTolerance: { enabled: true, oneTypoMinCharacters: 5, twoTyposMinCharacters: 9 },
  },
  Subscription: {
    start: { from: 'Now' },
    consumer: { ackWaitSeconds: 30, maxDeliver: 10, deadLetter: false },
    delivery: { type: 'Stream' },
  },
  AccessPolicy: {},
}

describe('defaults', () => {
  let admission: Admission
  before(async () => {
    const { kubernetes } = await testStack('kubernetes')
    admission = await openAdmission(kubernetes, await createNamespace(kubernetes), await loadCrds())
  })

  for (const kind of ['BackendClass', 'Table', 'Index', 'Subscription', 'AccessPolicy'] as const)
    it(`${kind} gets its defaults, and a status that nobody has looked at yet`, async () => {
      const { object } = await admission.attempt(kind, { spec: minimal[kind] })
      assert.ok(typeof object === 'object' && object !== null && 'spec' in object && 'status' in object)
      assert.deepEqual(object.spec, { ...minimal[kind], ...added[kind] })
      assert.deepEqual(object.status, { observedGeneration: -1 })
    })
})
