import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Cache, defineIndex } from './cache.ts'
import { defineKind, type KubeObject, keyFor } from './kind.ts'

type Thing = KubeObject & { readonly owner?: string }
const things = defineKind<Thing>({ group: 'g', version: 'v1', kind: 'Thing', plural: 'things', namespaced: true })
const byOwner = defineIndex(things, thing => (thing.owner === undefined ? [] : [thing.owner]))

const thing = (name: string, version: number, owner?: string, uid = `uid-${name}`): Thing => ({
  apiVersion: 'g/v1',
  kind: 'Thing',
  metadata: { name, namespace: 'n', uid, resourceVersion: String(version) },
  ...(owner === undefined ? {} : { owner }),
})

describe('the cache', () => {
  let errors: unknown[]
  let heard: string[]
  let cache: Cache<Thing>
  beforeEach(() => {
    errors = []
    heard = []
    cache = new Cache(things, error => errors.push(error))
    cache.subscribe(({ type, object }) =>
      heard.push(`${type} ${object.metadata.name}@${object.metadata.resourceVersion}`),
    )
  })
  const versions = () => cache.list().map(({ metadata: m }) => `${m.name}@${m.resourceVersion}`)

  it('tells what a list changed, deletions included, and nothing of what stayed', () => {
    cache.replace([thing('a', 1), thing('b', 2), thing('c', 3)], '3')
    assert.deepEqual(heard.splice(0), ['Added a@1', 'Added b@2', 'Added c@3'])
    assert.equal(cache.synced, true)
    cache.replace([thing('a', 1), thing('b', 5), thing('d', 6)], '6')
    assert.deepEqual(heard, ['Modified b@5', 'Added d@6', 'Deleted c@3'])
  })

  it('is not synced before the first list', () => {
    cache.watched('ADDED', thing('a', 1))
    assert.equal(cache.synced, false)
  })

  it('tells a late subscriber what is here already', () => {
    cache.replace([thing('a', 1)], '1')
    const late: string[] = []
    cache.subscribe(({ type, object }) => late.push(`${type} ${object.metadata.name}`))
    assert.deepEqual(late, ['Added a'])
  })

  it('finds objects by index, through changes and deletions', () => {
    cache.replace([thing('a', 1, 'x'), thing('b', 2, 'x'), thing('c', 3)], '3')
    const names = (owner: string) => cache.by(byOwner, owner).map(object => object.metadata.name)
    assert.deepEqual(names('x'), ['a', 'b'])
    cache.watched('MODIFIED', thing('a', 4, 'y'))
    cache.watched('DELETED', thing('b', 5, 'x'))
    cache.watched('ADDED', thing('d', 6, 'y'))
    assert.deepEqual(names('x'), [])
    assert.deepEqual(names('y'), ['a', 'd'])
  })

  it('holds objects that nobody can change', () => {
    cache.replace([{ ...thing('a', 1), metadata: { ...thing('a', 1).metadata, labels: { app: 'x' } } }], '1')
    const labels = cache.get(keyFor('a', 'n'))?.metadata.labels
    assert.throws(() => Object.assign(labels ?? {}, { app: 'y' }), TypeError)
  })

  it('keeps no record of who owns which field', () => {
    const { metadata } = thing('a', 1)
    cache.replace([{ ...thing('a', 1), metadata: { ...metadata, managedFields: [{ manager: 'x' }] } }], '1')
    assert.deepEqual(cache.get(keyFor('a', 'n'))?.metadata, metadata)
  })

  it('goes on with the other handlers when one throws, and reports it', () => {
    const failure = new Error('handler')
    cache.subscribe(() => {
      throw failure
    })
    const after: string[] = []
    cache.subscribe(({ type }) => after.push(type))
    cache.replace([thing('a', 1)], '1')
    assert.deepEqual(errors, [failure])
    assert.deepEqual(after, ['Added'])
  })

  it('shows our own write at once, and is told nothing new by the event that follows', () => {
    cache.replace([thing('a', 1)], '1')
    heard = []
    cache.written(thing('a', 7))
    cache.watched('MODIFIED', thing('a', 5)) // of somebody else, before ours
    cache.watched('MODIFIED', thing('a', 7))
    assert.deepEqual(heard, ['Modified a@7'])
  })

  it('keeps our own write when a list from before it arrives after it', () => {
    cache.replace([thing('a', 1)], '1')
    cache.written(thing('a', 9))
    cache.written(thing('new', 10))
    cache.replace([thing('a', 1)], '8')
    assert.deepEqual(versions(), ['a@9', 'new@10'])
    cache.replace([thing('a', 9)], '11')
    assert.deepEqual(versions(), ['a@9'])
  })

  it('does not bring back what was deleted when the answer to our write comes late', () => {
    cache.replace([thing('a', 1)], '1')
    cache.watched('DELETED', thing('a', 8))
    cache.written(thing('a', 7))
    assert.equal(cache.size, 0)
  })

  it('believes a list from the past: the store of the server was restored', () => {
    cache.replace([thing('a', 50), thing('b', 60)], '60')
    cache.watched('MODIFIED', thing('a', 70))
    cache.replace([thing('a', 40)], '41')
    assert.deepEqual(versions(), ['a@40'])
    assert.equal(cache.resourceVersion, '41')
  })

  it('compares versions as numbers', () => {
    cache.replace([thing('a', 9)], '9')
    cache.watched('MODIFIED', thing('a', 10))
    assert.deepEqual(versions(), ['a@10'])
  })

  it('tells of an object made anew under the same name', () => {
    cache.replace([thing('a', 1)], '1')
    cache.replace([thing('a', 5, undefined, 'another')], '5')
    assert.deepEqual(heard, ['Added a@1', 'Modified a@5'])
  })
})
