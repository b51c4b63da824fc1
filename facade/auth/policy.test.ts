import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import type { AccessPolicy, AccessPolicySpec } from '../../crds/types.gen.ts'
import type { Identity } from './identity.ts'
import { type Action, allowedActions, authorize } from './policy.ts'

const now = Date.parse('2026-06-01T00:00:00Z')
const web: Identity = { user: 'system:serviceaccount:cinema:web', groups: ['system:serviceaccounts', 'oidc:analysts'] }
const films = { namespace: 'cinema', name: 'films' }

type Changes = { spec?: Partial<AccessPolicySpec>; namespace?: string; generation?: number; accepted?: string | null }

function policy({ spec = {}, namespace = 'cinema', generation = 2, accepted = 'True' }: Changes = {}): AccessPolicy {
  const since = '2026-01-01T00:00:00Z'
  const status = accepted === 'True' ? 'True' : accepted === 'False' ? 'False' : 'Unknown'
  const condition = { type: 'Accepted', status, observedGeneration: 2, reason: 'Ok', message: '' } as const
  return {
    apiVersion: 'blasty.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: since, namespace, generation },
    spec: {
      subjects: [{ kind: 'ServiceAccount', name: 'web' }],
      rules: [{ tables: { names: ['films'] }, actions: ['Get', 'Query'] }],
      ...spec,
    },
    status: {
      observedGeneration: 2,
      ...(accepted === null ? {} : { conditions: [{ ...condition, lastTransitionTime: since }] }),
    },
  }
}

const allowed = (policies: AccessPolicy[], identity = web, table = films): Action[] =>
  [...allowedActions(identity, policies, table, now).keys()].sort()

describe('AccessPolicies', () => {
  it('allow nothing when there is none', () => assert.deepEqual(allowed([]), []))

  it('allow their actions on their tables to their subjects', () => {
    assert.deepEqual(allowed([policy()]), ['Get', 'Query'])
    assert.deepEqual(allowed([policy()], { ...web, user: 'system:serviceaccount:other:web' }), [])
    assert.deepEqual(allowed([policy()], web, { namespace: 'cinema', name: 'secrets' }), [])
  })

  it('know users and groups by name', () => {
    const spec = (kind: 'User' | 'Group', name: string) => ({ spec: { subjects: [{ kind, name }] } })
    assert.deepEqual(allowed([policy(spec('Group', 'oidc:analysts'))]), ['Get', 'Query'])
    assert.deepEqual(allowed([policy(spec('User', 'system:serviceaccount:cinema:web'))]), ['Get', 'Query'])
    assert.deepEqual(allowed([policy(spec('User', 'web'))]), [])
    assert.deepEqual(allowed([policy(spec('Group', 'system:serviceaccount:cinema:web'))]), [])
  })

  it('add up', () => {
    const writers = policy({ spec: { rules: [{ tables: { names: ['films', 'other'] }, actions: ['Put', 'Get'] }] } })
    assert.deepEqual(allowed([policy(), writers]), ['Get', 'Put', 'Query'])
  })

  it('reach no further than their namespace', () => {
    const elsewhere = policy({ namespace: 'evil', spec: { subjects: [{ kind: 'Group', name: 'oidc:analysts' }] } })
    assert.deepEqual(allowed([elsewhere]), [])
  })

  it('allow nothing until they are accepted as they now stand', () => {
    assert.deepEqual(allowed([policy({ accepted: 'False' })]), [])
    assert.deepEqual(allowed([policy({ accepted: 'Unknown' })]), [])
    assert.deepEqual(allowed([policy({ accepted: null })]), [])
    assert.deepEqual(allowed([policy({ generation: 3 })]), [])
  })

  it('allow nothing from their end on, or when that cannot be read', () => {
    const ending = (expiresAt: string) => allowed([policy({ spec: { expiresAt } })])
    assert.deepEqual(ending('2026-06-01T00:00:01Z'), ['Get', 'Query'])
    assert.deepEqual(ending('2026-06-01T00:00:00Z'), [])
    assert.deepEqual(ending('2026-06-01T02:00:00+02:00'), [])
    assert.deepEqual(ending('soon'), [])
  })

  it('allow what reads by key and by SQL as far as their limits reach, and nothing else by a rule with limits', () => {
    const rule = (limit: object, actions: Action[] = ['Get', 'Query', 'Put', 'Search', 'Subscribe', 'ReadBlob']) =>
      policy({ spec: { rules: [{ tables: { names: ['films'] }, actions, ...limit }] } })
    const reach = (...policies: AccessPolicy[]) => [...allowedActions(web, policies, films, now)]
    const [a, b] = [{ where: 'a = 1' }, { where: 'b = 1', columns: ['b'] }]
    assert.deepEqual(reach(rule(a)), [
      ['Get', [a]],
      ['Query', [a]],
    ])
    assert.deepEqual(reach(rule(a), rule(b, ['Get'])), [
      ['Get', [a, b]],
      ['Query', [a]],
    ])
    assert.deepEqual(reach(rule(a, ['Get']), rule({}, ['Get'])), [['Get', 'all']])
    assert.deepEqual(reach(rule({}, ['Get']), rule(a, ['Get'])), [['Get', 'all']])
    assert.deepEqual(reach(rule({ check: 'a = 1' })), [])
  })
})

describe('a caller who may not', () => {
  it('is told so when it may do something else with the table', () => {
    const some = allowedActions(web, [policy()], films, now)
    authorize(web, some, films, 'Get')
    assert.throws(
      () => authorize(web, some, films, 'Put'),
      (error: unknown) =>
        isBlastyError(error, 'PERMISSION_DENIED') &&
        error.message === 'system:serviceaccount:cinema:web may not Put on cinema/films; an AccessPolicy must allow it',
    )
  })

  it('does not learn that the table exists when it may do nothing with it', () => {
    const table = { namespace: 'cinema', name: 'secrets' }
    assert.throws(
      () => authorize(web, allowedActions(web, [policy()], table, now), table, 'Get'),
      (error: unknown) =>
        isBlastyError(error, 'TABLE_NOT_FOUND') && error.message === 'no table cinema/secrets that you may see',
    )
  })
})
