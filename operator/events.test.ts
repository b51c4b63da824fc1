import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type EventInput, EventRecorder } from './events.ts'
import { isRecord, type KubeObject } from './kind.ts'
import { errorFromAnswer } from './kube-error.ts'
import { fakeServer } from './testing/fake-client.ts'
import { FakeClock } from './testing/fake-clock.ts'

const thing: KubeObject = {
  apiVersion: 'g/v1',
  kind: 'Thing',
  metadata: { name: 'a', namespace: 'n', uid: 'u', resourceVersion: '1' },
}
const down: EventInput = { type: 'Warning', reason: 'Down', action: 'Reconcile', note: 'the store is down' }

function setup(rate = { perSecond: 10, burst: 50 }) {
  const server = fakeServer()
  const clock = new FakeClock()
  const drops: string[] = []
  const recorder = new EventRecorder({
    client: server.client,
    clock,
    random: () => 0.5,
    reportingController: 'c',
    reportingInstance: 'i',
    onDrop: reason => drops.push(reason),
    rate,
  })
  const stored = () => [...server.objects.values()]
  return { server, clock, drops, recorder, stored }
}

describe('the event recorder', () => {
  it('writes an event about the object, in its namespace', async () => {
    const { clock, recorder, stored } = setup()
    recorder.record(thing, down)
    await clock.advance(1)
    const [event] = stored()
    assert.partialDeepStrictEqual(event, {
      ...down,
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'c',
      reportingInstance: 'i',
      regarding: { apiVersion: 'g/v1', kind: 'Thing', name: 'a', namespace: 'n', uid: 'u' },
    })
  })

  it('counts the same event instead of writing it again, and writes the count twice a minute at most', async () => {
    const { server, clock, recorder, stored } = setup()
    for (let n = 0; n < 20; n++) {
      recorder.record(thing, down)
      await clock.advance(3_000)
    }
    await clock.advance(60_000)
    assert.equal(server.objects.size, 1)
    assert.deepEqual(
      server.calls.map(call => call.split(' ')[0]),
      ['create', 'patch', 'patch'],
    )
    const series = stored()[0]?.series
    assert.ok(isRecord(series))
    assert.equal(series.count, 20)
  })

  it('begins a new event when the last one is long ago', async () => {
    const { server, clock, recorder } = setup()
    recorder.record(thing, down)
    await clock.advance(10 * 60_000)
    recorder.record(thing, down)
    await clock.advance(1)
    assert.equal(server.objects.size, 2)
  })

  it('keeps to its rate and drops what is too much', async () => {
    const { server, clock, drops, recorder } = setup({ perSecond: 1, burst: 5 })
    for (let n = 0; n < 2000; n++) recorder.record(thing, { ...down, note: `${n}` })
    await clock.advance(10_000)
    assert.equal(server.calls.length, 15)
    assert.ok(drops.length >= 990)
    assert.equal(new Set(drops).size, 1)
  })

  it('never fails, and says that an event was lost', async () => {
    const { server, clock, drops, recorder } = setup()
    server.before = () => {
      throw errorFromAnswer('create', 403, { reason: 'Forbidden' })
    }
    recorder.record(thing, down)
    recorder.record(thing, { ...down, reason: 'Other' })
    await clock.advance(1000)
    assert.deepEqual(drops, ['Failed', 'Failed'])
    server.before = () => {}
    recorder.record(thing, { ...down, reason: 'Third' })
    await clock.advance(1000)
    assert.equal(server.objects.size, 1)
  })

  it('leaves no timer behind when closed', async () => {
    const { clock, recorder } = setup()
    recorder.record(thing, down)
    recorder.record(thing, down)
    await clock.advance(1)
    recorder.close()
    assert.equal(clock.timers, 0)
  })
})
