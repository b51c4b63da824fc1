/** Whatever goes wrong between the indexer and the search server, the index ends up with the rows of the Table. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Search } from '../../backends/search/search.ts'
import { BlastyError } from '../../base/errors.ts'
import { uniqueName } from '../../devstack/testing.ts'
import { filmSchema, patience } from '../testing.ts'
import { indexTable } from './indexer.ts'
import { idAttribute } from './layout.ts'
import { searchIndex } from './search.ts'
import { indexSettings } from './settings.ts'
import { filmSpec, onceReady, sharedSearch, type TestIndex, testIndex } from './testing.ts'

type Fault = 'request lost' | 'answer lost' | 'done twice' | 'task fails' | 'killed before' | 'killed after'

const faults: readonly Fault[] = [
  'request lost',
  'answer lost',
  'done twice',
  'task fails',
  'killed before',
  'killed after',
]

let films: TestIndex
let replica: ReturnType<TestIndex['replica']>
let last: number
const expected = ['a Alien', 'c Cube', 'd Dune', 'e Else', 'f Fargo']

before(async () => {
  films = await testIndex()
  replica = films.replica(films.on.schemas)
  await films.put({ id: 'a', title: 'old' }, { id: 'b', title: 'gone' })
  await films.put({ id: 'd', title: 'Dune' }, { id: 'c', title: 'old' })
  await films.remove('a', 'b')
  await films.put({ id: 'a', title: 'Alien' }, { id: 'c', title: 'Cube' })
  last = await films.put({ id: 'e', title: 'Else' }, { id: 'f', title: 'Fargo' })
})
after(() => films.close())

type Faulty = { readonly search: Search; readonly calls: () => number }

/** The search server, with one fault in its `at`th call. `die` is told when the process is to be killed there. */
function faulty(search: Search, fault: Fault, at: number, die: () => void): Faulty {
  let calls = 0
  let dead = false
  const away = () => new BlastyError('BACKEND_UNAVAILABLE', { backend: 'search server', problem: fault })
  const broken = (name: string, given: readonly unknown[]) =>
    fault === 'task fails' && name === 'addDocuments'
      ? given.map((value, position) => (position === 1 ? `${String(value)}\n{"_id":"a b"}` : value))
      : given
  const wrapped = new Proxy(search, {
    get: (target, name, receiver) => {
      const method: unknown = Reflect.get(target, name, receiver)
      if (typeof method !== 'function') return method
      return async (...given: unknown[]) => {
        if (dead) throw away()
        const here = ++calls === at
        const call = (): unknown => method(...(here ? broken(String(name), given) : given))
        const kill = () => {
          dead = true
          die()
        }
        if (here && fault === 'request lost') throw away()
        if (here && fault === 'killed before') kill()
        if (dead) throw away()
        if (here && fault === 'done twice') await call()
        const answer = await call()
        if (here && fault === 'killed after') kill()
        if (dead || (here && fault === 'answer lost')) throw away()
        return answer
      }
    },
  })
  return { search: wrapped, calls: () => calls }
}

/** Fills an index with the fault in the given call. Returns false when the indexer needed fewer calls. */
async function survives(fault: Fault, at: number): Promise<boolean> {
  const real = await sharedSearch()
  const index = uniqueName('faults')
  await real.createIndex(index, idAttribute)
  await real.updateSettings(index, indexSettings(filmSpec, filmSchema))
  const stop = new AbortController()
  const run = (search: Search, signal: AbortSignal) =>
    indexTable({
      log: films.on.log,
      schemas: films.on.schemas,
      replica,
      search,
      index,
      spec: filmSpec,
      leaseMillis: 5,
      requestMillis: 20,
      limits: { documents: 1, batchesInFlight: 2, checkMillis: 20 },
      signal,
      onProgress: () => {},
    })
  const killed = new AbortController()
  const { search, calls } = faulty(real, fault, at, () => killed.abort())
  const successor = new Promise<void>((resolve, reject) => {
    killed.signal.addEventListener('abort', () => run(real, stop.signal).then(resolve, reject))
  })
  const first = run(search, AbortSignal.any([stop.signal, killed.signal]))
  try {
    const target = { ...films.target, search: real, index }
    const found = await onceReady(async () => {
      const { hits } = await searchIndex(target, { q: '', limit: 100, minRevision: last }, patience())
      return hits
    })
    const titles = await Promise.all(
      found.map(async ({ key }) => {
        const document = await real.getDocument(index, key.toString('base64url'))
        return `${key.subarray(0, -1).toString()} ${String(document?.title)}`
      }),
    )
    assert.deepEqual(titles.toSorted(), expected, `${fault} in call ${at}`)
    return calls() >= at
  } finally {
    stop.abort()
    await first
    if (killed.signal.aborted) await successor
    await real.deleteIndex(index)
  }
}

/** Indexes filled at once. */
const together = 4

for (const [number, fault] of faults.entries()) {
  test(`the index ends up true to the Table: ${fault}, in every third call to the server`, async () => {
    let tried = 0
    for (let more = true; more; tried += together) {
      const calls = Array.from({ length: together }, (_, at) => 3 * (tried + at) + 1 + (number % 3))
      const needed = await Promise.all(calls.map(at => survives(fault, at)))
      more = needed.every(Boolean)
    }
    assert.ok(tried > 10, `only ${tried} calls were tried`)
  })
}
