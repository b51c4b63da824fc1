/** A search server of its own, killed and stopped while rows are written. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectSearch } from '../../backends/search/search.ts'
import { isBlastyError } from '../../base/errors.ts'
import { startStack } from '../../devstack/stack.ts'
import { idsFound, onceReady, startIndexer, testIndex } from './testing.ts'

test('a search server that is killed and away for a while misses no row', async () => {
  await using stack = await startStack({ search: true })
  const { host, key } = stack.search
  const films = await testIndex(undefined, connectSearch({ hosts: [host], key }))
  try {
    const indexer = startIndexer(films)
    const ids = async (revision: number) => (await onceReady(() => idsFound(films, revision))).toSorted()
    assert.deepEqual(await ids(await films.put({ id: 'a', title: 'Alien' })), ['a'])
    await films.put({ id: 'b', title: 'Brazil' })
    await stack.search.kill()
    const last = await films.put({ id: 'c', title: 'Casablanca' })
    await onceReady(async () => assert.ok(indexer.problems.some(problem => /does not answer/.test(problem))))
    await assert.rejects(idsFound(films, last), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
    await stack.search.start()
    assert.deepEqual(await ids(last), ['a', 'b', 'c'])
    await stack.search.restart()
    assert.deepEqual(await ids(await films.put({ id: 'd', title: 'Dune' })), ['a', 'b', 'c', 'd'])
  } finally {
    await films.close()
  }
})
