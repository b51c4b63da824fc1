import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, type Mark, markDocument, markMetadata, markOfDocument, markOfMetadata, unmarked } from './marks.ts'

const wanted: Mark = {
  installation: 'prod',
  kind: 'Table',
  namespace: 'cinema',
  name: 'films',
  namespaceUid: 'ns-1',
  uid: 'uid-2',
}
const earlier: Mark = { ...wanted, uid: 'uid-1' }
const elsewhere: Mark = { ...earlier, namespaceUid: 'ns-0' }
const nothing = { asked: false, namespaceUids: [] }
const asked = { asked: true, namespaceUids: [] }
const yes = (mark: Mark) => ({ marked: 'yes', mark }) as const

const cases = [
  { title: 'what carries our mark is ours', found: yes(wanted), adoption: nothing, type: 'ours' },
  { title: 'what carries no mark is left alone', found: unmarked, adoption: asked, reason: 'NotMarked' },
  {
    title: 'a broken mark is another’s',
    found: { marked: 'unreadable' } as const,
    adoption: asked,
    reason: 'OwnedByOther',
  },
  {
    title: 'another installation’s thing is left alone, asked or not',
    found: yes({ ...wanted, installation: 'test' }),
    adoption: asked,
    reason: 'OwnedByOther',
  },
  {
    title: 'another resource’s thing is left alone',
    found: yes({ ...earlier, name: 'reviews' }),
    adoption: asked,
    reason: 'OwnedByOther',
  },
  { title: 'retained data is not taken over unasked', found: yes(earlier), adoption: nothing, reason: 'RetainedData' },
  {
    title: 'asked for, retained data of this namespace is taken over',
    found: yes(earlier),
    adoption: asked,
    type: 'adoptable',
  },
  {
    title: 'data of an earlier namespace of this name is not taken over by asking alone',
    found: yes(elsewhere),
    adoption: asked,
    reason: 'RetainedData',
  },
  {
    title: 'an entry of the class alone takes nothing over',
    found: yes(elsewhere),
    adoption: { asked: false, namespaceUids: ['ns-0'] },
    reason: 'RetainedData',
  },
  {
    title: 'asked for and listed by the class, data of an earlier namespace is taken over',
    found: yes(elsewhere),
    adoption: { asked: true, namespaceUids: ['ns-0'] },
    type: 'adoptable',
  },
]
for (const { title, found, adoption, type, reason } of cases) {
  test(title, () => {
    const judged = judge('stream x', found, wanted, adoption)
    assert.equal(judged.type, type ?? 'foreign')
    if (judged.type === 'foreign') assert.equal(judged.reason, reason)
  })
}

test('a mark survives metadata that the server adds to, and a document', () => {
  assert.deepEqual(markOfMetadata({ ...markMetadata(wanted), '_nats.level': '1', 'blasty-epoch': '1' }), yes(wanted))
  assert.deepEqual(markOfMetadata({ '_nats.level': '1' }), unmarked)
  assert.deepEqual(markOfMetadata(undefined), unmarked)
  const { 'blasty-uid': _, ...torn } = markMetadata(wanted)
  assert.deepEqual(markOfMetadata(torn), { marked: 'unreadable' })
  assert.deepEqual(markOfDocument(JSON.stringify(markDocument(wanted))), yes(wanted))
  for (const bad of ['{', '[]', 'null', '{"kind":"Table"}', '{"kind":"Bucket","uid":"x"}'])
    assert.deepEqual(markOfDocument(bad), { marked: 'unreadable' })
})
