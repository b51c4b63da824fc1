import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from '../test/random.ts'
import { type ExternalKind, externalName, type Identity } from './names.ts'

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)
const hyphenated = (max: number) =>
  fc.array(word, { minLength: 1, maxLength: 6 }).map(words => words.join('-').slice(0, max).replace(/-$/, ''))
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
const identities: fc.Arbitrary<Identity> = fc.record({
  installation: hyphenated(20),
  kind: fc.constantFrom<ExternalKind>('Table', 'Index', 'Subscription'),
  namespace: fc.oneof(label, hyphenated(63)),
  name: hyphenated(40),
})

test('a name is valid as a bucket, a stream and a search index', () => {
  fc.assert(
    fc.property(identities, identity => {
      const name = externalName(identity)
      assert.match(name, /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/)
      assert.doesNotMatch(name, /^(?:xn--|sthree-|amzn-s3-demo-)|(?:-s3alias|--ol-s3|--x-s3|--table-s3)$/)
    }),
  )
})

test('two resources never have one name', () => {
  // Parts of few letters and many hyphens, so that they would be taken for one another if they could be.
  const tight = fc.stringMatching(/^[ab]-?-?[ab]?-?-?[ab]$/)
  const close = fc.record({
    installation: tight,
    kind: fc.constantFrom<ExternalKind>('Table', 'Index', 'Subscription'),
    namespace: tight,
    name: tight,
  })
  fc.assert(
    fc.property(fc.array(close, { minLength: 2, maxLength: 40 }), list => {
      const distinct = new Set(list.map(one => JSON.stringify([one.installation, one.kind, one.namespace, one.name])))
      assert.equal(new Set(list.map(externalName)).size, distinct.size)
    }),
  )
})

test('a name is readable while it is short, and says its beginning when it is not', () => {
  const films: Identity = { installation: 'prod-eu-1', kind: 'Table', namespace: 'cinema', name: 'films' }
  assert.equal(externalName(films), 'prod-eu-1-table--cinema--films')
  assert.equal(externalName({ ...films, kind: 'Index' }), 'prod-eu-1-index--cinema--films')
  assert.equal(externalName({ ...films, kind: 'Subscription' }), 'prod-eu-1-sub--cinema--films')
  assert.match(externalName({ ...films, namespace: 'a--b' }), /^prod-eu-1-table--a--b--films---[0-9a-f]{16}$/)
  assert.match(externalName({ ...films, namespace: 'n'.repeat(63) }), /^prod-eu-1-table--n+---[0-9a-f]{16}$/)
  assert.match(externalName({ ...films, name: 'x-s3' }), /^prod-eu-1-table--cinema--x-s3---[0-9a-f]{16}$/)
  assert.match(externalName({ ...films, installation: 'sthree' }), /^b-sthree-table--cinema--films---[0-9a-f]{16}$/)
})
