/** Full-text search that forgives a typo, with facets; and search around a place. */
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import { type Hit, SearchService } from '../../proto/gen/blasty/v1/search_service_pb.js'
import { type Airport, readAirports } from '../data/airports.ts'
import type { Film } from '../data/films.ts'
import { callAs } from './client.ts'
import type { Imported } from './import.ts'
import { thousands } from './story.ts'
import { namespace, type World } from './world.ts'

const sanFrancisco = { lat: 37.7749, lon: -122.4194 }
const radiusMeters = 40_000

/** Finds The Godfather by a word misspelt. Returns the row of the film. */
export async function searchWithTypo(world: World, { films }: Imported): Promise<Film> {
  const { hits } = await searchFilms(world, { q: 'godfahter', minToken: films })
  const found = hits.find(({ title }) => title === 'The Godfather')
  if (found === undefined) throw new Error('a search for godfahter does not find The Godfather')
  return found
}

/** Finds films of a series, with a typo, and counts values of their columns. Throws unless the hits have as many. */
export async function searchWithFacets(world: World, { films }: Imported): Promise<void> {
  const { hits, facets } = await searchFilms(world, {
    q: 'harry poter',
    where: "rating IN ('PG', 'PG-13')",
    facets: ['rating', 'tags'],
    minToken: films,
  })
  if (hits.length === 0) throw new Error('a search for harry poter finds nothing')
  for (const { column, counts } of facets) {
    const told = counts.map(({ value, count }) => `${value} ${count}`)
    world.story.say(`${column}: ${told.join(', ')}`)
    const values = hits.flatMap(({ rating, tags }) => (column === 'rating' ? [`${rating}`] : tags))
    const counted = [...new Set(values)].map(value => `${value} ${values.filter(other => other === value).length}`)
    if (told.toSorted().join() !== counted.toSorted().join()) {
      throw new Error(`the facet ${column} counts ${told.join(', ')}, the hits have ${counted.join(', ')}`)
    }
  }
}

type Wanted = { readonly q: string; readonly where?: string; readonly facets?: string[]; readonly minToken: Token }

async function searchFilms(world: World, { q, where = '', facets = [], minToken }: Wanted) {
  const { story, signal } = world
  using web = await callAs(world, 'web')
  const told = [`q: ${q}`, where && `where: ${where}`, facets.length > 0 && `facets: ${facets.join(', ')}`]
  story.say(told.filter(Boolean).join('   '))
  const highlight = { columns: ['title'], preTag: '[', postTag: ']' }
  const answer = await web
    .service(SearchService)
    .search({ index: { namespace, name: 'films' }, q, where, facets, highlight, withRows: true, minToken }, { signal })
  const hits = answer.hits.map(hit => rowOf<Film>(hit))
  story.table(
    ['title', 'released', 'rating', 'IMDb', 'US gross'],
    hits.map(({ title, released, rating, imdb_rating, us_gross }, at) => [
      answer.hits[at]?.highlights[0]?.texts[0] ?? title,
      released,
      rating,
      imdb_rating,
      us_gross === null ? null : thousands(Math.round(Number(us_gross))),
    ]),
  )
  return { hits, facets: answer.facets }
}

/** Finds the airports around San Francisco. Throws when they are not those that plain trigonometry finds. */
export async function searchAround(world: World, minToken: Token): Promise<void> {
  const { story, signal } = world
  using web = await callAs(world, 'web')
  const { hits } = await web.service(SearchService).search(
    {
      index: { namespace, name: 'airports' },
      near: { center: sanFrancisco, radiusMeters, byDistance: true },
      withRows: true,
      limit: 50,
      minToken,
    },
    { signal },
  )
  const found = hits.map(hit => ({ airport: rowOf<Airport>(hit), distance: hit.distanceMeters ?? Number.NaN }))
  story.say(`airports within ${radiusMeters / 1_000} km of San Francisco, nearest first`)
  story.table(
    ['code', 'name', 'city', 'distance'],
    found.map(({ airport: { iata, name, city }, distance }) => [
      iata,
      name,
      city,
      `${(distance / 1_000).toFixed(1)} km`,
    ]),
  )
  const expected = (await readAirports())
    .map(airport => ({ iata: airport.iata, meters: haversineMeters(sanFrancisco, airport.place) }))
    .filter(({ meters }) => meters <= radiusMeters)
    .sort((a, b) => a.meters - b.meters)
  const codes = found.map(({ airport }) => airport.iata).join(' ')
  const expectedCodes = expected.map(({ iata }) => iata).join(' ')
  if (codes !== expectedCodes) throw new Error(`the search finds ${codes}, the file holds ${expectedCodes}`)
  for (const [at, { distance }] of found.entries()) {
    const meters = expected[at]?.meters ?? 0
    if (!(Math.abs(distance - meters) < 0.01 * meters)) {
      throw new Error(`the search puts an airport at ${distance} m that lies at ${Math.round(meters)} m`)
    }
  }
  story.say('the same airports, in the same order, as trigonometry finds in the file')
}

function rowOf<Row>({ row, keyJson }: Hit): Row {
  if (row === undefined) throw new Error(`the hit ${keyJson} came without its row`)
  return JSON.parse(row.rowJson)
}

type Point = { readonly lat: number; readonly lon: number }

/** Distance on a globe of 6,371 km. */
function haversineMeters(a: Point, b: Point): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180
  const half = (degrees: number): number => Math.sin(radians(degrees) / 2) ** 2
  const h = half(b.lat - a.lat) + Math.cos(radians(a.lat)) * Math.cos(radians(b.lat)) * half(b.lon - a.lon)
  return 2 * 6_371_000 * Math.asin(Math.sqrt(h))
}
