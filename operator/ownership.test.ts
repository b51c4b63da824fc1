import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { KubeObject } from './kind.ts'
import { wouldChange } from './ownership.ts'

/** An object whose status fields `me` owns as `owned` says. */
const live = (status: object, owned: object): KubeObject & { status: object } => ({
  apiVersion: 'g/v1',
  kind: 'Thing',
  metadata: {
    name: 'a',
    uid: 'u',
    resourceVersion: '1',
    managedFields: [
      { manager: 'other', operation: 'Update', fieldsV1: { 'f:status': { 'f:theirs': {} } } },
      { manager: 'me', operation: 'Apply', subresource: 'status', fieldsV1: { 'f:status': owned } },
    ],
  },
  status,
})
const changes = (status: object, held: KubeObject) => wouldChange({ status }, held, 'me', 'status')

describe('applying again', () => {
  const ready = { type: 'Ready', status: 'True' }
  const held = live(
    {
      size: 3,
      theirs: 1,
      list: [1, 2],
      tags: ['x', 'theirs'],
      conditions: [{ type: 'Theirs', status: 'True' }, ready],
    },
    {
      'f:size': {},
      'f:list': {},
      'f:tags': { 'v:"x"': {} },
      'f:conditions': { 'k:{"type":"Ready"}': { '.': {}, 'f:type': {}, 'f:status': {} } },
    },
  )
  const same = { size: 3, list: [1, 2], tags: ['x'], conditions: [ready] }

  it('changes nothing when all is there, beside what others put in', () => assert.equal(changes(same, held), false))

  const different: [name: string, status: object][] = [
    ['a value differs', { ...same, size: 4 }],
    ['a field is new', { ...same, note: 'n' }],
    ['a field is no longer wanted', { list: [1, 2], tags: ['x'], conditions: [ready] }],
    ['an element of a map list differs', { ...same, conditions: [{ type: 'Ready', status: 'False' }] }],
    ['an element of a map list is new', { ...same, conditions: [ready, { type: 'Stalled', status: 'True' }] }],
    ['an element of a map list is no longer wanted', { ...same, conditions: [] }],
    ['an element of a set is no longer wanted', { ...same, tags: [] }],
    ['an element of a set is new', { ...same, tags: ['x', 'y'] }],
    ['a plain list has another order', { ...same, list: [2, 1] }],
    [
      'another owns an element that is now wanted',
      { ...same, conditions: [ready, { type: 'Theirs', status: 'True' }] },
    ],
  ]
  for (const [name, status] of different) {
    it(`changes something when ${name}`, () => assert.equal(changes(status, held), true))
  }

  it('changes something the first time, when nothing is owned yet', () => {
    assert.equal(wouldChange({ status: same }, held, 'another', 'status'), true)
    assert.equal(wouldChange({ status: same }, held, 'me', ''), true)
  })
})
