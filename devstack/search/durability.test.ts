/** What was acknowledged survives the death of the server. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Meilisearch } from 'meilisearch'
import { launch } from './launch.ts'

const connect = (host: string): Meilisearch =>
  new Meilisearch({ host, apiKey: 'master', defaultWaitOptions: { interval: 2, timeout: 60_000 } })

test('every acknowledged task is executed, in order, by the server that starts after a kill', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'search-durability-'))
  t.after(() => rm(folder, { recursive: true }))
  const db = join(folder, 'search.db')
  const first = await launch(db, 'master')
  const client = connect(first.url)
  await client.createIndex('films', { primaryKey: 'id' }).waitTask()
  const index = client.index('films')
  await index.updateSettings({ filterableAttributes: ['n'], searchableAttributes: ['title'] }).waitTask()
  const many = Array.from({ length: 20_000 }, (_, n) => ({ id: n, n, title: `film number ${n}` }))
  const acknowledged = [await index.addDocuments(many)]
  for (let n = 0; n < 50; n++) acknowledged.push(await index.updateDocuments([{ id: 1, title: `version ${n}` }]))
  acknowledged.push(await index.deleteDocuments([2, 3]))
  await first.stop('SIGKILL')

  const second = await launch(db, 'master')
  t.after(() => second.stop())
  const again = connect(second.url)
  for (const { taskUid } of acknowledged) assert.equal((await again.tasks.waitForTask(taskUid)).status, 'succeeded')
  const films = again.index('films')
  assert.equal((await films.getStats()).numberOfDocuments, 19_998)
  assert.deepEqual(await films.getDocument(1), { id: 1, n: 1, title: 'version 49' })
  assert.deepEqual((await films.search('"version 49"')).hits, [{ id: 1, n: 1, title: 'version 49' }])
  assert.equal((await films.search('"version 48"')).hits.length, 0)
  assert.equal((await films.search('', { filter: 'n >= 10000', page: 1 })).totalHits, 1000)
  assert.equal((await films.getDocuments({ filter: 'n >= 10000' })).total, 10_000)
  const before = await again.tasks.getTask(acknowledged[0]?.taskUid ?? 0)
  const next = await films.addDocuments([{ id: 'new', title: 'after' }])
  assert.ok(next.taskUid > (acknowledged.at(-1)?.taskUid ?? 0) && before.finishedAt !== null)
})

test('a clean stop keeps indexes, settings, keys and search results', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'search-durability-'))
  t.after(() => rm(folder, { recursive: true }))
  const db = join(folder, 'search.db')
  const first = await launch(db, 'master')
  const client = connect(first.url)
  const documents = [
    { id: 'a', title: 'The Juror', _geo: { lat: 1, lng: 2 } },
    { id: 'b', title: 'Jurassic Park', _geo: { lat: 50, lng: 2 } },
  ]
  await client
    .index('films')
    .updateSettings({ filterableAttributes: ['_geo'], synonyms: { dino: ['jurassic'] } })
    .waitTask()
  await client.index('films').addDocuments(documents).waitTask()
  await client.index('films').deleteDocument('a').waitTask()
  await client
    .index('films')
    .addDocuments([{ id: 'c', title: 'Dinosaur', _geo: { lat: 1, lng: 2 } }])
    .waitTask()
  const key = await client.createKey({ actions: ['search'], indexes: ['films'], expiresAt: null })
  await first.stop()

  const second = await launch(db, 'master')
  t.after(() => second.stop())
  const films = new Meilisearch({ host: second.url, apiKey: key.key }).index('films')
  assert.deepEqual((await films.search('dino')).hits.map(hit => hit.id).sort(), ['b', 'c'])
  assert.deepEqual(
    (await films.search('jurasic')).hits.map(hit => hit.id),
    ['b'],
  )
  assert.deepEqual(
    (await films.search('', { filter: '_geoRadius(1, 2, 1000)' })).hits.map(hit => hit.id),
    ['c'],
  )
})
