import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RetryError, refused, StalledError, waiting } from './blocked.ts'
import { conditionOf } from './conditions.ts'
import type { Condition } from './kind.ts'
import { errorFromAnswer } from './kube-error.ts'
import type { Run } from './runner.ts'
import { fakeServer } from './testing/fake-client.ts'
import { finalizer, runWidget as run, type Spec } from './testing/run-widget.ts'

const accepted = ['accept', 'connect', 'observe', 'plan']
const stored = [...accepted, 'patch merge']
const acted = [...stored, 'act', 'observe', 'plan']
const told = ['status', 'replace status']
const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [finalizer] }
const down = () => {
  throw new RetryError('Down', 'the store is down', { afterSeconds: 7 })
}

describe('a reconcile', () => {
  const cases: [name: string, parts: Partial<Spec>, metadata: object, steps: string[], result: Run['result']][] = [
    [
      'takes every step in its order, the finalizer before the first action',
      {},
      {},
      [...acted, 'verify', ...told],
      'ready',
    ],
    [
      'stores the finalizer once',
      {},
      { finalizers: [finalizer] },
      [...accepted, 'act', 'observe', 'plan', 'verify', ...told],
      'ready',
    ],
    [
      'stores the finalizer even when there is nothing to do',
      { plan: () => [] },
      {},
      [...stored, 'verify', ...told],
      'ready',
    ],
    ['touches nothing outside while paused', {}, { annotations: { paused: 'true' } }, ['replace status'], 'paused'],
    [
      'goes no further with a spec that is not accepted',
      { accept: () => refused('BadSize', 'too big') },
      {},
      ['accept', 'replace status'],
      'refused',
    ],
    [
      'waits for what it refers to',
      { accept: () => waiting('NoClass', 'm') },
      {},
      ['accept', 'replace status'],
      'waiting',
    ],
    [
      'stores no finalizer when it cannot connect',
      { connect: down },
      {},
      ['accept', 'connect', 'replace status'],
      'failed',
    ],
    [
      'stores no finalizer when it cannot see',
      { observe: down },
      {},
      ['accept', 'connect', 'observe', 'replace status'],
      'failed',
    ],
    [
      'does nothing that the plan forbids, and tells what it saw',
      { plan: () => refused('KeyChanged', 'm') },
      {},
      [...accepted, ...told],
      'refused',
    ],
    ['tells what it saw when an action fails', { act: down }, {}, [...stored, 'act', ...told], 'failed'],
    [
      'is stalled when a person must act',
      {
        act: () => {
          throw new StalledError('LogLost', 'lost')
        },
      },
      {},
      [...stored, 'act', ...told],
      'stalled',
    ],
    ['does not believe an action that nobody sees', { act: () => {} }, {}, [...acted, ...told], 'failed'],
    [
      'waits for the last proof',
      { verify: () => waiting('NotServed', 'm') },
      {},
      [...acted, 'verify', ...told],
      'waiting',
    ],
    [
      'is not ready while a condition is not True',
      { status: () => ({ conditions: [{ type: 'Sized', status: 'Unknown', reason: 'Slow', message: 'm' }] }) },
      {},
      [...acted, 'verify', ...told],
      'waiting',
    ],
    ['removes the finalizer after cleaning up', {}, deleting, ['cleanUp', 'patch merge'], 'deleted'],
    [
      'keeps the finalizer until everything outside is gone',
      { finalizer: { name: finalizer, cleanUp: () => waiting('Deleting', 'm') } },
      deleting,
      ['cleanUp', 'replace status'],
      'waiting',
    ],
    [
      'keeps the finalizer when cleaning up fails',
      { finalizer: { name: finalizer, cleanUp: down } },
      deleting,
      ['cleanUp', 'replace status'],
      'failed',
    ],
    ['lets an abandoned object go', {}, { ...deleting, annotations: { abandon: 'u' } }, ['patch merge'], 'deleted'],
    [
      'does not abandon an object by the uid of another',
      {},
      { ...deleting, annotations: { abandon: 'v' } },
      ['cleanUp', 'patch merge'],
      'deleted',
    ],
    [
      'cleans up a paused object',
      {},
      { ...deleting, annotations: { paused: 'true' } },
      ['cleanUp', 'patch merge'],
      'deleted',
    ],
    [
      'holds the deletion of a paused object that says so',
      { finalizer: { name: finalizer, cleanUp: () => undefined, holdsWhilePaused: () => true } },
      { ...deleting, annotations: { paused: 'true' } },
      ['replace status'],
      'paused',
    ],
    ['does nothing about a deletion that waits for others', {}, { ...deleting, finalizers: ['x/y'] }, [], 'gone'],
  ]
  for (const [name, parts, metadata, steps, result] of cases) {
    it(name, async () => {
      const { ran, steps: seen } = await run(parts, metadata)
      assert.deepEqual(seen, steps)
      assert.equal(ran.result, result)
    })
  }

  it('acts in rounds until nothing is left to do', async () => {
    const {
      ran,
      steps,
      stored: now,
    } = await run({
      plan: (_, size) => (size === 3 ? [] : [{ set: size + 1 }]),
    })
    assert.equal(ran.result, 'ready')
    assert.equal(steps.filter(step => step === 'act').length, 3)
    assert.equal(now?.status?.size, 3)
  })

  it('leaves the rest to the next run when there are too many rounds', async () => {
    const { ran, steps } = await run({ plan: (_, size) => [{ set: size + 1 }] })
    assert.deepEqual(ran, { result: 'waiting', afterSeconds: 1 })
    assert.equal(steps.filter(step => step === 'act').length, 5)
  })

  it('asks for the retry that the error asks for', async () => {
    const { ran } = await run({ connect: down })
    assert.equal('afterSeconds' in ran ? ran.afterSeconds : undefined, 7)
  })

  it('reads an error of the product as the product says', async () => {
    const classify = () => waiting('Mine', 'in other words')
    const { ran, stored: now } = await run({ connect: down }, {}, { classify })
    assert.equal(ran.result, 'waiting')
    assert.equal(conditionOf(now, 'Ready')?.message, 'in other words')
  })

  it('starts anew when the spec changed before the finalizer was stored', async () => {
    const { ran, steps, stored: now } = await run({}, {}, {}, { resourceVersion: '2', generation: 2 })
    assert.deepEqual(steps, [...stored, 'get', 'patch merge'])
    assert.equal(ran.result, 'changed')
    assert.equal(now?.metadata.generation, 2)
  })

  it('goes on when only labels changed before the finalizer was stored', async () => {
    const { ran, steps } = await run({}, {}, {}, { resourceVersion: '2', labels: { app: 'x' } })
    assert.deepEqual(steps, [...stored, 'get', 'patch merge', 'act', 'observe', 'plan', 'verify', ...told])
    assert.equal(ran.result, 'ready')
  })

  it('makes nothing for an object whose deletion it has not heard of', async () => {
    const { ran, steps } = await run({}, {}, {}, { ...deleting, finalizers: ['x/y'], resourceVersion: '2' })
    assert.deepEqual(steps, [...stored, 'get'])
    assert.equal(ran.result, 'gone')
  })

  it('tells people when it becomes ready, and what is wrong when it fails', async () => {
    assert.deepEqual((await run()).events, [
      { type: 'Normal', reason: 'Ready', action: 'Reconcile', note: 'all is as the spec wants it' },
    ])
    assert.deepEqual((await run({ connect: down })).events, [
      { type: 'Warning', reason: 'Down', action: 'Reconcile', note: 'the store is down' },
    ])
  })

  it('tells people what it waits for, but not of the last moment before it becomes ready', async () => {
    const unproven = { verify: () => waiting('NotServed', 'm') }
    assert.deepEqual((await run(unproven)).events, [])
    const early = await run({ accept: () => waiting('NoClass', 'm') })
    assert.deepEqual(
      early.events.map(({ reason }) => reason),
      ['NoClass'],
    )
    const was: Condition = {
      type: 'Ready',
      status: 'True',
      reason: 'Ready',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    const fallen = await run(unproven, {}, {}, {}, { conditions: [was] })
    assert.deepEqual(
      fallen.events.map(({ reason }) => reason),
      ['NotServed'],
    )
  })

  it('says nothing of failures when it was stopped in the middle', async () => {
    const { ran, steps } = await run({ connect: down }, {}, { stopping: AbortSignal.abort() })
    assert.equal(ran.result, 'interrupted')
    assert.deepEqual(steps, ['accept', 'connect'])
  })

  it('is at ease when the object is gone before the status is written', async () => {
    const gone = () => {
      throw errorFromAnswer('patch', 404, { reason: 'NotFound' })
    }
    const { client } = fakeServer()
    const { ran, events } = await run({}, { finalizers: [finalizer] }, { client: { ...client, patch: gone } })
    assert.equal(ran.result, 'gone')
    assert.deepEqual(events, [])
  })
})
