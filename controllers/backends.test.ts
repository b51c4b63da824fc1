import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendClass } from '../crds/types.gen.ts'
import { indexes, subscriptions, tables } from '../directory/kinds.ts'
import type { Report } from '../engine/membership/reports.ts'
import { Caches } from '../operator/caches.ts'
import type { Kind } from '../operator/mod.ts'
import { FakeClock } from '../operator/testing/fake-clock.ts'
import { BackendPool, type Connected } from './backends.ts'
import type { Credentials } from './credentials.ts'
import { News } from './news.ts'
import { foldMillis } from './progress.ts'
import { Reported } from './reported.ts'

const found = {
  metadata: { name: 'class', uid: 'c' },
  spec: {
    installationID: 'i',
    streams: {},
    search: {},
    credentials: { operator: { secretRef: { name: 'operator' } } },
  },
} as unknown as BackendClass
const delivering: Report = {
  kind: 'subscription',
  subscriptionUid: 'u',
  worker: 'w',
  epoch: 1,
  revision: 1,
  delivered: 0,
}

/** A set of connections that hears what it is given to hear. */
class Listening {
  readonly reported: Reported
  #listener: (report: Report, present: boolean) => void = () => {}

  constructor(onReport: (report: Report, present: boolean) => void) {
    const onChange = (listener: (report: Report, present: boolean) => void) => {
      this.#listener = listener
      return () => {}
    }
    this.reported = new Reported({ current: () => [], onChange }, onReport)
  }

  readonly ended = () => false
  readonly close = async () => {}

  hears(report: Report): void {
    this.#listener(report, true)
  }
}

/** The operator's connections to one class, of which a Table, an Index and a Subscription live. */
function connections() {
  const caches = new Caches((_, error) => {
    throw error
  })
  const metadata = { namespace: 'n', name: 'it', uid: 'u', resourceVersion: '1' }
  const spec = { tableRef: { name: 'it' } }
  for (const kind of [tables, indexes, subscriptions] as Kind[]) {
    caches.open(kind).replace([kind.decode({ metadata, spec })], '1')
  }
  const looks: string[] = []
  const clock = new FakeClock()
  const news = new News({ read: caches.read, enqueue: ({ plural }) => looks.push(plural) }, clock)
  const opened: Listening[] = []
  let away = false
  const pool = new BackendPool({
    credentialsNamespace: 'n',
    client: { get: () => Promise.reject(new Error('the credentials are given')) },
    connect: async (_, __, onReport) => {
      if (away) throw new Error('the server is away')
      const set = new Listening(onReport)
      opened.push(set)
      return set as unknown as Connected
    },
    onReport: (report, present) => news.take(report, present),
    onReplaced: () => news.renew(),
    onError: error => assert.ifError(error),
    clock,
  })
  return {
    /** Opens the set of these credentials. */
    open: async (version: string): Promise<Listening> => {
      await pool.refresh(found, { version } as Credentials)
      const set = opened.at(-1)
      assert.ok(set)
      return set
    },
    fail: async (version: string) => {
      away = true
      await assert.rejects(pool.refresh(found, { version } as Credentials))
      away = false
    },
    /** The kinds that were looked at since this was last asked. */
    looked: () => looks.splice(0).toSorted(),
    clock,
  }
}

const everything = ['indexes', 'subscriptions', 'tables']

test('a report is looked at when the connection in use has heard of it, though another hears of it first', async () => {
  const { open, looked } = connections()
  const before = await open('1')
  const inUse = await open('2')
  looked()
  before.hears(delivering)
  assert.deepEqual(looked(), [])
  inUse.hears(delivering)
  assert.deepEqual(looked(), ['subscriptions'])
})

test('whatever lives by reports is looked at once a connection has taken the place of another', async () => {
  const { open, fail, looked } = connections()
  await open('1')
  assert.deepEqual(looked(), [])
  await open('2')
  assert.deepEqual(looked(), everything)
  await open('2')
  assert.deepEqual(looked(), [])
  await fail('3')
  assert.deepEqual(looked(), [])
  await open('3')
  assert.deepEqual(looked(), everything)
})

test('a report that both connections bring is news from the second too', async () => {
  const { open, looked, clock } = connections()
  const before = await open('1')
  before.hears(delivering)
  assert.deepEqual(looked(), ['subscriptions'])
  const inUse = await open('2')
  looked()
  inUse.hears(delivering)
  assert.deepEqual(looked(), ['subscriptions'])
  inUse.hears({ ...delivering, revision: 2 })
  assert.deepEqual(looked(), [])
  await clock.advance(foldMillis)
  assert.deepEqual(looked(), ['subscriptions'])
})
