/** The rows that benches write: real films of vega-datasets, numbered on without end. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Spec of a Table of such rows; `due` is for benches that measure from when a write was due. */
export const filmsTable = {
  columns: [
    { name: 'id', type: 'Int64' },
    { name: 'title', type: 'String' },
    { name: 'director', type: 'String' },
    { name: 'distributor', type: 'String' },
    { name: 'genre', type: 'String' },
    { name: 'rating', type: 'String' },
    { name: 'released', type: 'Date' },
    { name: 'running_minutes', type: 'Int32' },
    { name: 'us_gross', type: 'Decimal', precision: 18, scale: 2 },
    { name: 'imdb_rating', type: 'Double' },
    { name: 'imdb_votes', type: 'Int64' },
    { name: 'due', type: 'Double' },
  ],
  primaryKey: ['id'],
  log: { maxBytes: '20Gi' },
} as const

type Film = Readonly<Record<string, string | number | null>>

const file = fileURLToPath(new URL('../data/movies.json', import.meta.resolve('vega-datasets')))

/** Makes row `id` from the film that stands there, over and over again. */
export function filmRows(): (id: number) => Record<string, unknown> {
  const films = JSON.parse(readFileSync(file, 'utf8')) as Film[]
  const rows = films.map(film => ({
    title: film.Title === null ? null : String(film.Title),
    director: film.Director,
    distributor: film.Distributor,
    genre: film['Major Genre'],
    rating: film['MPAA Rating'],
    released: dateOf(film['Release Date']),
    running_minutes: film['Running Time min'],
    us_gross: film['US Gross'] === null ? null : `${film['US Gross']}.00`,
    imdb_rating: film['IMDB Rating'],
    imdb_votes: film['IMDB Votes'] === null ? null : String(film['IMDB Votes']),
  }))
  return id => {
    const row: Record<string, unknown> = { id: String(id) }
    for (const [name, value] of Object.entries(rows[id % rows.length] ?? {})) {
      if (value !== null && value !== undefined) row[name] = value
    }
    return row
  }
}

/** `Jun 12 1998` as `1998-06-12`; null for what is no day. */
function dateOf(value: Film[string] | undefined): string | null {
  const millis = Date.parse(`${value} UTC`)
  return typeof value === 'string' && !Number.isNaN(millis) ? new Date(millis).toISOString().slice(0, 10) : null
}
