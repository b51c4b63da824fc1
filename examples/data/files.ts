/** Where the files of the vega-datasets package lie. */
import { fileURLToPath } from 'node:url'

const folder = new URL('../../node_modules/vega-datasets/data/', import.meta.url)
const file = (name: string): string => fileURLToPath(new URL(name, folder))

/** The films: an array of objects. */
export const moviesJson = file('movies.json')

/** The airports, with a header line. */
export const airportsCsv = file('airports.csv')

/** Three million flights: date, delay, distance, origin, destination. */
export const flightsParquet = file('flights-3m.parquet')
