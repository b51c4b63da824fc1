/** Grants that are remembered are those that the policies give at this moment. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessPolicy } from '../../crds/types.gen.ts'
import { Grants } from './grants.ts'
import type { Identity } from './identity.ts'

const ada: Identity = { user: 'ada', groups: [] }
const films = { namespace: 'cinema', name: 'films' }
const since = '2026-01-01T00:00:00Z'
const start = Date.parse(since)

function policy(name: string, actions: AccessPolicy['spec']['rules'][number]['actions'], expiresAt?: string) {
  const condition = { type: 'Accepted', status: 'True', observedGeneration: 1, reason: 'Ok', message: '' } as const
  return {
    apiVersion: 'blasty.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: since, namespace: 'cinema', generation: 1 },
    spec: {
      subjects: [{ kind: 'User', name: 'ada' }],
      rules: [{ tables: { names: ['films'] }, actions }],
      ...(expiresAt === undefined ? {} : { expiresAt }),
    },
    status: { observedGeneration: 1, conditions: [{ ...condition, lastTransitionTime: since }] },
  } satisfies AccessPolicy
}

function grants(...policies: AccessPolicy[]) {
  let now = start
  let lists = 0
  const listeners: (() => void)[] = []
  const held = {
    list: () => {
      lists++
      return policies
    },
    subscribe: (listener: () => void) => listeners.push(listener),
  }
  return {
    grants: new Grants(held, () => now),
    lists: () => lists,
    at: (time: string) => {
      now = Date.parse(time)
    },
    set: (...changed: AccessPolicy[]) => {
      policies.splice(0, policies.length, ...changed)
      for (const listener of listeners) listener()
    },
  }
}

const actions = (of: ReturnType<typeof grants>, identity = ada, table = films) =>
  [...of.grants.allowed(identity, table).keys()].sort()

test('what a caller may do is looked up once', () => {
  const of = grants(policy('p', ['Get', 'Put']))
  assert.deepEqual(actions(of), ['Get', 'Put'])
  const before = of.lists()
  assert.deepEqual(actions(of), ['Get', 'Put'])
  assert.equal(of.lists(), before)
})

test('a policy that is added or withdrawn counts at once', () => {
  const of = grants()
  assert.deepEqual(actions(of), [])
  of.set(policy('p', ['Get']))
  assert.deepEqual(actions(of), ['Get'])
  of.set(policy('p', ['Get']), policy('q', ['Delete']))
  assert.deepEqual(actions(of), ['Delete', 'Get'])
  of.set()
  assert.deepEqual(actions(of), [])
})

test('policies end one by one, each at its time', () => {
  const of = grants(
    policy('p', ['Get'], '2026-01-01T00:00:10Z'),
    policy('q', ['Put'], '2026-01-01T00:00:20Z'),
    policy('r', ['Delete'], 'soon'),
  )
  assert.deepEqual(actions(of), ['Get', 'Put'])
  of.at('2026-01-01T00:00:09.999Z')
  assert.deepEqual(actions(of), ['Get', 'Put'])
  of.at('2026-01-01T00:00:10Z')
  assert.deepEqual(actions(of), ['Put'])
  of.at('2026-01-01T00:00:20Z')
  assert.deepEqual(actions(of), [])
})

test('callers and Tables are told apart', () => {
  const of = grants(policy('p', ['Get']))
  assert.deepEqual(actions(of), ['Get'])
  assert.deepEqual(actions(of, { user: 'bob', groups: [] }), [])
  assert.deepEqual(actions(of, ada, { namespace: 'cinema', name: 'secrets' }), [])
  assert.deepEqual(actions(of, ada, { namespace: 'other', name: 'films' }), [])
})

test('a caller who asks for more Tables than are remembered is still answered right', () => {
  const of = grants(policy('p', ['Get']))
  for (let number = 0; number < 2_500; number++)
    assert.deepEqual(actions(of, ada, { namespace: 'cinema', name: `t${number}` }), [])
  assert.deepEqual(actions(of), ['Get'])
})
