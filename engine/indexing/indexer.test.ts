import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idsFound, onceReady, startIndexer, testIndex } from './testing.ts'

test('rows written before and after the indexer began are found, a changed row as it is now, a deleted one no more', async () => {
  const films = await testIndex()
  await films.put({ id: 'a', title: 'Alien', year: 1979 }, { id: 'b', title: 'Brazil', year: 1985 })
  const indexer = startIndexer(films)
  const first = await films.put({ id: 'c', title: 'Casablanca', year: 1942 })
  assert.deepEqual((await onceReady(() => idsFound(films, first))).toSorted(), ['a', 'b', 'c'])
  await films.put({ id: 'a', title: 'Aliens', year: 1986 })
  const last = await films.remove('b')
  assert.deepEqual(await idsFound(films, last, { sort: [{ column: 'year', descending: true }] }), ['a', 'c'])
  assert.deepEqual(await idsFound(films, last, { q: 'brazil' }), [])
  await indexer.stop()
  assert.partialDeepStrictEqual(indexer.progress(), { epoch: 1, revision: last, filled: true })
  assert.deepEqual(indexer.problems, [])
  await films.close()
})
