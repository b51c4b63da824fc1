import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { uniqueName } from '../../devstack/testing.ts'
import { eventSchema, filmSchema } from '../testing.ts'
import { type IndexSpec, indexLayout, indexProblems } from './layout.ts'
import { indexSettings, settingsToChange } from './settings.ts'
import { filmSpec, sharedSearch } from './testing.ts'

const index = uniqueName('settings')
before(async () => {
  await (await sharedSearch()).createIndex(index, '_id')
})
after(async () => {
  await (await sharedSearch()).deleteIndex(index)
})

const places = {
  ...filmSchema,
  columns: [...filmSchema.columns, { name: 'home', type: 'GeoPoint' as const, required: false, field: 30 }],
  retired: [{ name: 'old', field: 31 }],
}

const cases: readonly [IndexSpec, RegExp][] = [
  [{ searchable: ['nope'] }, /^searchable: the Table has no column nope$/],
  [{ filterable: ['old'] }, /^filterable: column old is retired$/],
  [{ searchable: ['released'] }, /^searchable: column released is of type Date; String, UUID,/],
  [{ filterable: ['extra'] }, /^filterable: column extra is of type JSON;/],
  [{ sortable: ['tags'] }, /^sortable: column tags is an Array of String;/],
  [
    { filterable: ['place'], sortable: ['home'] },
    /^an Index holds at most one GeoPoint, this one names place and home$/,
  ],
]
for (const [spec, text] of cases) {
  test(`a spec that cannot be carried out is told why: ${text.source.slice(1, 60)}`, () => {
    const problems = indexProblems(spec, places)
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', text)
    assert.throws(
      () => indexSettings(spec, places),
      error => isBlastyError(error, 'INVALID_ARGUMENT'),
    )
  })
}

test('every problem of a spec is told at once; a good one has none', () => {
  assert.equal(indexProblems({ searchable: ['nope', 'raw'], sortable: ['tags'] }, eventSchema).length, 4)
  assert.deepEqual(indexProblems(filmSpec, filmSchema), [])
})

test('the settings are taken by the server as they are, and then nothing is left to change', async () => {
  const search = await sharedSearch()
  const spec: IndexSpec = {
    ...filmSpec,
    ranking: ['Words', 'Sort', 'Exactness'],
    synonyms: { film: ['movie'], scifi: ['science fiction'] },
    stopWords: ['the', 'a'],
    typoTolerance: { enabled: true, oneTypoMinCharacters: 4, twoTyposMinCharacters: 8 },
  }
  const wanted = indexSettings(spec, filmSchema)
  const { pagination, ...rest } = wanted
  assert.deepEqual(settingsToChange(wanted, await search.settings(index)), rest, 'the pagination is the default')
  assert.deepEqual(pagination, { maxTotalHits: 1000 })
  await search.updateSettings(index, wanted)
  assert.equal(settingsToChange(wanted, await search.settings(index)), undefined)
  const changed = { ...spec, synonyms: { film: ['movie'] }, stopWords: ['the'] }
  assert.deepEqual(settingsToChange(indexSettings(changed, filmSchema), await search.settings(index)), {
    synonyms: { film: ['movie'] },
    stopWords: ['the'],
  })
})

test('documents are written anew when a column is used in another way, not when words or ranking change', () => {
  const { fingerprint } = indexLayout(filmSpec, filmSchema)
  const print = (spec: IndexSpec) => indexLayout({ ...filmSpec, ...spec }, filmSchema).fingerprint
  assert.equal(print({ stopWords: ['the'], ranking: ['Sort'], searchable: ['tags', 'title'] }), fingerprint)
  assert.notEqual(print({ sortable: ['year'] }), fingerprint)
  assert.notEqual(print({ searchable: ['title'] }), fingerprint)
})
