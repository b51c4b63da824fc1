/** Films of vega-datasets as rows of the Table `films`, cleaned of what went wrong with them before they came here. */
import { readFile } from 'node:fs/promises'
import { moviesJson } from './files.ts'
import { repairedText } from './text.ts'

/** A film as the file has it. A title that looks like a number is one. */
export type Movie = {
  readonly Title: string | number | null
  readonly 'US Gross': number | null
  readonly 'Worldwide Gross': number | null
  readonly 'US DVD Sales': number | null
  readonly 'Production Budget': number | null
  /** Such as "Jun 12 1998". */
  readonly 'Release Date': string | null
  readonly 'MPAA Rating': string | null
  readonly 'Running Time min': number | null
  readonly Distributor: string | null
  readonly Source: string | null
  readonly 'Major Genre': string | null
  readonly 'Creative Type': string | null
  readonly Director: string | null
  readonly 'Rotten Tomatoes Rating': number | null
  readonly 'IMDB Rating': number | null
  readonly 'IMDB Votes': number | null
}

/** A row of the Table `films`. Decimal and Int64 columns are text. */
export type Film = {
  readonly id: number
  readonly title: string | null
  /** Such as "1998-06-12". */
  readonly released: string | null
  readonly director: string | null
  readonly distributor: string | null
  readonly genre: string | null
  readonly creative_type: string | null
  readonly source: string | null
  readonly rating: string | null
  readonly running_minutes: number | null
  readonly budget: string | null
  readonly us_gross: string | null
  readonly worldwide_gross: string | null
  readonly us_dvd_sales: string | null
  readonly rotten_tomatoes: number | null
  readonly imdb_rating: string | null
  readonly imdb_votes: string | null
  readonly tags: readonly string[]
}

/** All films, in the order of the file. */
export async function readFilms(): Promise<Film[]> {
  const movies: Movie[] = JSON.parse(await readFile(moviesJson, 'utf8'))
  return movies.map((movie, index) => filmOf(movie, index + 1))
}

/** The row of one film; `id` is its place in the file, from 1. */
export function filmOf(movie: Movie, id: number): Film {
  return {
    id,
    title: textOf(movie.Title),
    released: dateOf(movie['Release Date']),
    director: textOf(movie.Director),
    distributor: textOf(movie.Distributor),
    genre: textOf(movie['Major Genre']),
    creative_type: textOf(movie['Creative Type']),
    source: textOf(movie.Source),
    rating: textOf(movie['MPAA Rating']),
    running_minutes: movie['Running Time min'],
    budget: decimalOf(movie['Production Budget'], 2),
    us_gross: decimalOf(movie['US Gross'], 2),
    worldwide_gross: decimalOf(movie['Worldwide Gross'], 2),
    us_dvd_sales: decimalOf(movie['US DVD Sales'], 2),
    rotten_tomatoes: movie['Rotten Tomatoes Rating'],
    imdb_rating: decimalOf(movie['IMDB Rating'], 1),
    imdb_votes: decimalOf(movie['IMDB Votes'], 0),
    tags: tagsOf(movie),
  }
}

/** Text without damage and stray blanks; a film named by a number has that as its title. */
function textOf(value: string | number | null): string | null {
  if (value === null) return null
  const text = repairedText(String(value)).replace(/\s+/g, ' ').trim()
  return text === '' ? null : text
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The collection ends in this year. Its years were once two digits: 1939 came out as 2039. */
const lastYear = 2011

function dateOf(text: string | null): string | null {
  if (text === null) return null
  const [, monthName = '', day = '', yearText] = /^([A-Z][a-z]{2}) (\d{2}) (\d{4})$/.exec(text) ?? []
  const month = months.indexOf(monthName) + 1
  if (month === 0) throw new Error(`the release date ${JSON.stringify(text)} is not like "Jun 12 1998"`)
  const year = Number(yearText)
  return `${year > lastYear ? year - 100 : year}-${String(month).padStart(2, '0')}-${day}`
}

const decimalOf = (value: number | null, scale: number): string | null => (value === null ? null : value.toFixed(scale))

/** Genre, creative type and source as short lower-case words: "Based on Book/Short Story" gives book and short story. */
function tagsOf(movie: Movie): string[] {
  const texts = [movie['Major Genre'], movie['Creative Type'], movie.Source?.replace(/^Based on /, '') ?? null]
  const words = texts.flatMap(text => (text === null ? [] : text.toLowerCase().split('/')))
  return [...new Set(words)]
}
