/** Least privilege, asked of a real apiserver: what each role of the chart may do, and what it may not. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { KubernetesInfo, Role } from '../devstack/info.ts'
import { at, callApi, serviceAccountToken } from '../devstack/kubernetes/api.ts'
import { createCaller, createNamespace, testStack } from '../devstack/testing.ts'

const system = 'blasty-system'

let kubernetes: KubernetesInfo
before(async () => {
  kubernetes = (await testStack('kubernetes')).kubernetes
})

type Question = {
  group?: string
  resource: string
  subresource?: string
  name?: string
  namespace?: string
  verb: string
}

async function may(role: Role, question: Question): Promise<boolean> {
  const answer = await callApi(kubernetes, '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    method: 'POST',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: `system:serviceaccount:${system}:blasty-${role}`, resourceAttributes: question },
    },
  })
  return at(answer, 'status', 'allowed') === true
}

const group = 'blasty.dev'
const everyRole: Role[] = ['operator', 'worker', 'facade']

/** Who may do it; nobody else may. */
const cases: [string, Role[], Question][] = [
  ['watch Tables', everyRole, { group, resource: 'tables', verb: 'watch' }],
  ['list BackendClasses', everyRole, { group, resource: 'backendclasses', verb: 'list' }],
  ['put the status of a Table', ['operator'], { group, resource: 'tables', subresource: 'status', verb: 'update' }],
  ['patch the status of a Table', [], { group, resource: 'tables', subresource: 'status', verb: 'patch' }],
  ['patch a finalizer into an Index', ['operator'], { group, resource: 'indexes', verb: 'patch' }],
  ['create a Table', [], { group, resource: 'tables', verb: 'create' }],
  ['delete a Subscription', [], { group, resource: 'subscriptions', verb: 'delete' }],
  ['watch Namespaces', ['operator'], { resource: 'namespaces', verb: 'watch' }],
  ['create Events', ['operator'], { group: 'events.k8s.io', resource: 'events', namespace: 'any', verb: 'create' }],
  [
    'create Leases here',
    ['operator'],
    { group: 'coordination.k8s.io', resource: 'leases', namespace: system, verb: 'create' },
  ],
  [
    'create Leases elsewhere',
    [],
    { group: 'coordination.k8s.io', resource: 'leases', namespace: 'any', verb: 'create' },
  ],
  ['review tokens', ['facade'], { group: 'authentication.k8s.io', resource: 'tokenreviews', verb: 'create' }],
  ['list Secrets', [], { resource: 'secrets', namespace: system, verb: 'list' }],
  ...everyRole.map((role): [string, Role[], Question] => [
    `read the Secret of the ${role}`,
    [role],
    { resource: 'secrets', namespace: system, name: `blasty-${role}`, verb: 'get' },
  ]),
  ['read a Secret elsewhere', [], { resource: 'secrets', namespace: 'any', name: 'blasty-operator', verb: 'get' }],
  ['read pods', [], { resource: 'pods', namespace: system, verb: 'get' }],
]

for (const [what, allowed, question] of cases) {
  test(`${allowed.join(', ') || 'no role'} may ${what}`, async () => {
    const answers = await Promise.all(everyRole.map(role => may(role, question)))
    assert.deepEqual(
      everyRole.filter((_, i) => answers[i]),
      allowed,
    )
  })
}

test("a caller's token is valid for the audience blasty only, as the facade asks", async () => {
  const namespace = await createNamespace(kubernetes)
  const token = await createCaller(kubernetes, namespace, 'web')
  const facade = {
    ...kubernetes,
    token: await serviceAccountToken(kubernetes, { namespace: system, serviceAccount: 'blasty-facade' }),
  }
  const review = async (audience: string) => {
    const answer = await callApi(facade, '/apis/authentication.k8s.io/v1/tokenreviews', {
      method: 'POST',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [audience] } },
    })
    return { authenticated: at(answer, 'status', 'authenticated'), username: at(answer, 'status', 'user', 'username') }
  }
  const good = await review('blasty')
  assert.equal(good.authenticated, true)
  assert.equal(good.username, `system:serviceaccount:${namespace}:web`)
  assert.notEqual((await review('another')).authenticated, true)
})
