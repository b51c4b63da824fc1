/** Rows that are too old leave the search index as they leave the Table. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uniqueName } from '../../devstack/testing.ts'
import { indexTable } from '../indexing/indexer.ts'
import { idAttribute, indexLayout } from '../indexing/layout.ts'
import { searchIndex } from '../indexing/search.ts'
import { indexSettings } from '../indexing/settings.ts'
import { filmSpec, onceReady, sharedSearch } from '../indexing/testing.ts'
import { testLake } from '../lake/testing.ts'
import { logState } from '../log/log.ts'
import { filmSchema, patience } from '../testing.ts'
import { commitTimeOf, expireAt, whenDue } from './testing.ts'

test('a row that is too old is not found any more, and one written since is', async () => {
  const [lake, search] = [await testLake(filmSchema), await sharedSearch()]
  const index = uniqueName('films')
  const stop = new AbortController()
  let indexing: Promise<void> | undefined
  try {
    await search.createIndex(index, idAttribute)
    await search.updateSettings(index, indexSettings(filmSpec, filmSchema))
    const table = lake.open('a')
    indexing = indexTable({
      log: table.log,
      schemas: table.schemas,
      replica: waiting => table.reached(0, 'rows', waiting),
      search,
      index,
      spec: filmSpec,
      leaseMillis: 50,
      signal: stop.signal,
      onProgress: () => {},
    })
    const write = async (...ids: string[]) => {
      const rows = ids.map(id => ({ op: 'put' as const, row: { id, title: `film ${id}` } }))
      const { revision } = await table.writer.write(rows, { principal: 'p', schema: 1, signal: patience() })
      return revision
    }
    const found = async (minRevision: number) => {
      const layout = indexLayout(filmSpec, filmSchema)
      const target = { search, index, name: 'test/films', epoch: table.log.epoch, layout }
      const { hits } = await onceReady(() => searchIndex(target, { q: 'film', limit: 10, minRevision }, patience()))
      return hits.map(({ key }) => table.schemas.decodeKey(key).id).sort()
    }
    const old = await write('old', 'again')
    assert.deepEqual(await found(await write('again', 'new')), ['again', 'new', 'old'])
    await expireAt(table, lake.folder, whenDue(await commitTimeOf(table, old)))
    assert.deepEqual(await found((await logState(table.log)).last), ['again', 'new'])
  } finally {
    stop.abort()
    await indexing?.catch(() => {})
    await search.deleteIndex(index)
    await lake.close()
  }
})
