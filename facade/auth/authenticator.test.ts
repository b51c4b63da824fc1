import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { AuthenticationV1Api, KubeConfig } from '@kubernetes/client-node'
import { isBlastyError } from '../../base/errors.ts'
import type { KubernetesInfo } from '../../devstack/info.ts'
import { serviceAccountToken } from '../../devstack/kubernetes/api.ts'
import { createCaller, createNamespace, testStack } from '../../devstack/testing.ts'
import { bearerAuthenticator, kubernetesTokenReview, reviewOf } from './authenticator.ts'
import { TokenCache } from './token-cache.ts'

const metadata = (...headers: string[]): Metadata => {
  const made = new Metadata()
  for (const header of headers) made.add('authorization', header)
  return made
}
const refusedFor = (problem: string) => (error: unknown) =>
  isBlastyError(error, 'UNAUTHENTICATED') && error.details.problem === problem

describe('a bearer token', () => {
  const authenticate = bearerAuthenticator(
    new TokenCache({ review: async token => ({ identity: { user: token, groups: [] } }) }),
  )

  it('is taken from the metadata, whatever the case of the scheme', async () => {
    assert.equal((await authenticate(metadata('Bearer abc'))).user, 'abc')
    assert.equal((await authenticate(metadata('bearer  abc'))).user, 'abc')
  })

  it('is asked for when there is none', async () => {
    await assert.rejects(authenticate(metadata()), refusedFor('send metadata `authorization: Bearer <token>`'))
    for (const headers of [['Basic abc'], ['Bearer '], ['Bearer a b'], ['Bearer a', 'Bearer b']]) {
      await assert.rejects(
        authenticate(metadata(...headers)),
        refusedFor('metadata `authorization` is not one bearer token'),
      )
    }
  })

  it('is refused when the apiserver confirms no audience', () => {
    assert.ok('refused' in reviewOf({ authenticated: true, user: { username: 'a' } }, 'blasty', undefined))
    assert.ok(
      'refused' in
        reviewOf({ authenticated: false, audiences: ['blasty'], user: { username: 'a' } }, 'blasty', undefined),
    )
    assert.ok(
      'identity' in
        reviewOf({ authenticated: true, audiences: ['blasty'], user: { username: 'a' } }, 'blasty', undefined),
    )
  })
})

describe('tokens of a cluster', () => {
  let kubernetes: KubernetesInfo
  let namespace: string
  const tokens = (config: KubeConfig) =>
    new TokenCache({ review: kubernetesTokenReview(config.makeApiClient(AuthenticationV1Api)) })
  const facade = () => {
    const config = new KubeConfig()
    assert.ok(kubernetes.kubeconfigs, 'the stack was started without the product installed')
    config.loadFromFile(kubernetes.kubeconfigs.facade)
    return config
  }

  before(async () => {
    kubernetes = (await testStack('kubernetes')).kubernetes
    namespace = await createNamespace(kubernetes)
  })

  it('of a service account for the audience blasty name it and its groups', async () => {
    const token = await createCaller(kubernetes, namespace, 'web')
    const identity = await tokens(facade()).identify(token)
    assert.equal(identity.user, `system:serviceaccount:${namespace}:web`)
    assert.ok(identity.groups.includes(`system:serviceaccounts:${namespace}`))
    assert.ok(identity.uid)
  })

  it('for the apiserver itself are refused', async () => {
    await createCaller(kubernetes, namespace, 'other')
    const audiences = ['https://kubernetes.default.svc']
    const token = await serviceAccountToken(kubernetes, { namespace, serviceAccount: 'other', audiences })
    await assert.rejects(tokens(facade()).identify(token), code => isBlastyError(code, 'UNAUTHENTICATED'))
    await assert.rejects(tokens(facade()).identify('nonsense'), code => isBlastyError(code, 'UNAUTHENTICATED'))
  })

  it('cannot be told while the apiserver does not answer', async () => {
    const config = facade()
    const cluster = config.getCurrentCluster()
    assert.ok(cluster)
    const nobody = new KubeConfig()
    nobody.loadFromClusterAndUser({ ...cluster, server: 'https://127.0.0.1:1' }, { name: 'nobody' })
    await assert.rejects(tokens(nobody).identify('t'), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
  })
})
