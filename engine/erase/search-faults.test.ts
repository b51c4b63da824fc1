/** Erasing while requests to the search server go wrong: it ends, and does not say of an index that it has forgotten before it has. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FaultyWay, faultyWay, searchFaults } from '../../backends/search/testing-faults.ts'
import { isBlastyError } from '../../base/errors.ts'
import { testStack } from '../../devstack/testing.ts'
import { documentId } from '../indexing/document.ts'
import { idAttribute, revisionAttribute } from '../indexing/layout.ts'
import { pendingErasures } from '../log/erasures.ts'
import { patience } from '../testing.ts'
import { type Dependents, eraseOnce } from './erase.ts'
import { type ErasureProof, readProof } from './proof.ts'
import { eraseAll, foundInStream, type Stage, testStage, until, writing } from './testing.ts'

const store = 'index people'
let stage: Stage
/** The ways of the worker that erases, and of the indexer. */
let erasing: FaultyWay
let indexing: FaultyWay
before(async () => {
  const { search } = await testStack('search')
  erasing = await faultyWay(search)
  indexing = await faultyWay(search)
  stage = await testStage(indexing.search)
})
after(async () => {
  await stage.close()
  for (const way of [erasing, indexing]) await way[Symbol.asyncDispose]()
})

// What a test that failed struck is no matter of the next.
afterEach(() => {
  for (const way of [erasing, indexing]) way.mend()
})

type Person = { readonly id: string; readonly document: string; readonly secret: string }

const put = (id: string, title: string) =>
  ({ op: 'put', row: stage.table.schemas.codec.row({ id, title }, 'row') }) as const

const documentOf = ({ document }: Person) => stage.search.getDocument(stage.index, document)

/** Somebody in the lake and in the index. */
async function newPerson(): Promise<Person> {
  const { table, archiver, search, index } = stage
  const id = `person-${randomUUID()}`
  const secret = `secret${randomUUID()}`
  const document = documentId(table.schemas.encodeKey({ id }))
  const { revision } = await table.writer.write([put(id, secret), put('other', 'kept')], writing())
  await archiver.reached(revision)
  await until('the document is there', async () => (await search.getDocument(index, document)) !== undefined)
  return { id, document, secret }
}

const dependents = (): Dependents => ({
  ...stage.dependents(),
  indexes: [{ name: 'people', index: stage.index, search: erasing.search }],
})

type Told = { readonly proofs: ErasureProof[]; readonly tooSoon: Promise<unknown>[] }

/** Erases once, as the job in a worker does each time. Whenever a proof says that the index is done, it is looked whether it is. */
function once(person: Person, { proofs, tooSoon }: Told): Promise<number> {
  const { table, scratch } = stage
  const onProof = (proof: ErasureProof) => {
    proofs.push(proof)
    if (proof.stores[store]?.state === 'Done') tooSoon.push(documentOf(person))
  }
  return eraseOnce({ table, dependents, scratch, settleMillis: 1, signal: patience(), onProof })
}

/** Erases until nothing is left; what fails is tried again. Returns how often it failed. */
async function erased(person: Person, id: string): Promise<number> {
  const told: Told = { proofs: [], tooSoon: [] }
  const late = patience()
  let failures = 0
  for (let left = 1; left > 0; await sleep(5)) {
    left = await once(person, told).catch(error => {
      if (late.aborted || !isBlastyError(error, 'BACKEND_UNAVAILABLE')) throw error
      failures++
      return 1
    })
    if (late.aborted) throw new Error(`it did not end: ${JSON.stringify(told.proofs.at(-1))}`)
  }
  for (const document of await Promise.all(told.tooSoon)) assert.equal(document, undefined)
  await assertErased(person, id)
  return failures
}

/** Erases until the lake waits for others, then twice more; or until nothing is left. */
async function indexIsLast(person: Person, id: string): Promise<void> {
  const told: Told = { proofs: [], tooSoon: [] }
  const late = patience()
  for (let rounds = 0; rounds < 3; await sleep(5)) {
    if ((await once(person, told)) === 0) break
    const lake = (await readProof(stage.table.lake, id))?.stores.lake
    if (lake?.state === 'Waiting' && lake.reason === 'others come first') rounds++
    if (late.aborted) throw new Error('the lake does not come so far')
  }
  for (const document of await Promise.all(told.tooSoon)) assert.equal(document, undefined)
}

async function assertErased(person: Person, id: string): Promise<void> {
  const { table, scratch, lake, search, index } = stage
  assert.equal(await documentOf(person), undefined)
  assert.deepEqual(await pendingErasures(table.log), [])
  assert.deepEqual(await foundInStream(lake.on.streams, table.log.stream, [Buffer.from(person.secret)]), [])
  await eraseAll(table, scratch, { dependents })
  const proof = await readProof(table.lake, id)
  assert.equal(proof?.stores[store]?.state, 'Done')
  assert.ok(proof.completedTime)
  const other = await search.getDocument(index, documentId(table.schemas.encodeKey({ id: 'other' })))
  assert.equal(other?.title, 'kept')
}

async function ask(person: Person): Promise<string> {
  const id = `e-${randomUUID()}`
  await stage.table.writer.erase(id, [{ id: person.id }, { id: 'never there' }], writing())
  return id
}

for (const fault of searchFaults) {
  test(`an erasure ends, and is not done too soon, whichever of its requests to the search server is struck: ${fault}`, async () => {
    let at = 0
    let failures = 0
    for (let struck = 1; struck > 0; ) {
      const person = await newPerson()
      at++
      erasing.strike(fault, number => number === at)
      failures += await erased(person, await ask(person))
      struck = erasing.counts().struck
      erasing.mend()
    }
    // The progress of the index at least once, and both documents.
    assert.ok(at > 3, `${at - 1} requests`)
    // An answer that comes late is one.
    if (fault !== 'late') assert.ok(failures >= 3, `${failures} failures`)
  })

  test(`an erasure ends, and is not done too soon, whichever request of the indexer is struck meanwhile: ${fault}`, async () => {
    for (const asked of [/delete-batch/, /^POST .*\/documents\?/, /^GET .*\/tasks\//]) {
      const person = await newPerson()
      indexing.strike(fault, (_number, what) => asked.test(what))
      const id = await ask(person)
      // All other stores wait for the index by then, unless its answers are only late.
      await indexIsLast(person, id)
      assert.ok(indexing.counts().struck > 0, `${asked}`)
      indexing.mend()
      await erased(person, id)
    }
  })
}

test('while the search server is away an erasure waits with the lake as it was, and ends when it is back', async () => {
  const { table } = stage
  const person = await newPerson()
  const told: Told = { proofs: [], tooSoon: [] }
  for (const way of [erasing, indexing]) way.strike('refused', () => true)
  const id = await ask(person)
  const history = await versionsOf()
  for (let round = 0; round < 3; round++)
    await assert.rejects(once(person, told), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
  assert.notEqual(await documentOf(person), undefined)
  assert.deepEqual(
    (await pendingErasures(table.log)).map(one => one.id),
    [id],
  )
  assert.ok(told.proofs.every(({ stores }) => Object.values(stores).every(({ state }) => state === 'Waiting')))
  // Nobody sees the row all the while, and nothing that an index could still have to read is gone.
  assert.equal((await table.reached(0, 'rows', patience())).get(table.schemas.encodeKey({ id: person.id })), undefined)
  assert.ok((await versionsOf()).startsWith(history))
  // The worker hears of it before the indexer does: the index is asked, and has not come so far.
  erasing.mend()
  assert.equal(await once(person, told), 1)
  assert.deepEqual(told.proofs.at(-1)?.stores[store], {
    state: 'Waiting',
    reason: 'it has not come to the erasure yet',
  })
  indexing.mend()
  await erased(person, id)
})

/** Names of the commits of the lake, as one text. */
async function versionsOf(): Promise<string> {
  const { objects, bucket, root } = stage.table.lake
  const listed = await Array.fromAsync(objects.list(bucket, `${root}/_delta_log/`), ({ key }) => key)
  return listed.filter(key => key.endsWith('.json')).join()
}

test('an index that has a document back from before is not said to have forgotten, and the erasure ends once it has', async () => {
  const { search, index } = stage
  const person = await newPerson()
  const before = await documentOf(person)
  assert.ok(before)
  const id = await ask(person)
  await until('the document is gone', async () => (await documentOf(person)) === undefined)
  const restored = { ...before, [idAttribute]: person.document }
  await search.taskDone(index, await search.addDocuments(index, JSON.stringify(restored), idAttribute))
  assert.ok(Number((await documentOf(person))?.[revisionAttribute]) > 0)

  const told: Told = { proofs: [], tooSoon: [] }
  const stuck = await untilRefused(() => once(person, told))
  assert.ok(isBlastyError(stuck, 'INDEX_NOT_READY'), String(stuck))
  assert.match(stuck.message, /1 documents that are erased/)
  assert.notEqual(told.proofs.at(-1)?.stores[store]?.state, 'Done')
  assert.equal((await pendingErasures(stage.table.log)).length, 1)
  await search.taskDone(index, await search.deleteDocuments(index, [person.document]))
  await erased(person, id)
})

/** Goes on until it throws, and returns what. */
async function untilRefused(work: () => Promise<number>): Promise<unknown> {
  for (const late = patience(); !late.aborted; await sleep(5)) {
    try {
      await work()
    } catch (error) {
      return error
    }
  }
  return undefined
}
