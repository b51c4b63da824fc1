import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { filmOf, type Movie, readFilms } from './films.ts'

const leon: Movie = {
  Title: 'LÈon',
  'US Gross': 19284974,
  'Worldwide Gross': 45284974,
  'US DVD Sales': null,
  'Production Budget': 16000000,
  'Release Date': 'Nov 18 1994',
  'MPAA Rating': 'R',
  'Running Time min': null,
  Distributor: ' Sony  Pictures ',
  Source: 'Based on Book/Short Story',
  'Major Genre': 'Thriller/Suspense',
  'Creative Type': 'Contemporary Fiction',
  Director: 'Luc Besson',
  'Rotten Tomatoes Rating': 74,
  'IMDB Rating': 8.6,
  'IMDB Votes': 199762,
}

describe('a film of the file', () => {
  it('becomes a row', () => {
    assert.deepEqual(filmOf(leon, 7), {
      id: 7,
      title: 'Léon',
      released: '1994-11-18',
      director: 'Luc Besson',
      distributor: 'Sony Pictures',
      genre: 'Thriller/Suspense',
      creative_type: 'Contemporary Fiction',
      source: 'Based on Book/Short Story',
      rating: 'R',
      running_minutes: null,
      budget: '16000000.00',
      us_gross: '19284974.00',
      worldwide_gross: '45284974.00',
      us_dvd_sales: null,
      rotten_tomatoes: 74,
      imdb_rating: '8.6',
      imdb_votes: '199762',
      tags: ['thriller', 'suspense', 'contemporary fiction', 'book', 'short story'],
    })
  })

  it('keeps its title when that is a number, and has none when that is missing', () => {
    assert.equal(filmOf({ ...leon, Title: 1776 }, 1).title, '1776')
    assert.equal(filmOf({ ...leon, Title: null }, 1).title, null)
  })

  it('that seems to be of the future is of the century before', () => {
    assert.equal(filmOf({ ...leon, 'Release Date': 'Dec 15 2039' }, 1).released, '1939-12-15')
    assert.equal(filmOf({ ...leon, 'Release Date': 'Jun 03 2011' }, 1).released, '2011-06-03')
    assert.throws(() => filmOf({ ...leon, 'Release Date': '1998' }, 1), /"1998" is not like/)
  })

  it('has each tag once and no tag for what is not known', () => {
    const film = filmOf({ ...leon, 'Major Genre': 'Fantasy', 'Creative Type': 'Fantasy', Source: null }, 1)
    assert.deepEqual(film.tags, ['fantasy'])
  })
})

it('every film of the file becomes a row', async () => {
  const films = await readFilms()
  assert.equal(films.length, 3201)
  assert.equal(new Set(films.map(({ id }) => id)).size, 3201)
  assert.equal(films.filter(({ title }) => title === null).length, 1)
  const dates = films.map(({ released }) => released ?? '').sort()
  assert.equal(dates[0], '1915-02-08')
  assert.ok((dates.at(-1) ?? '') < '2012')
})
