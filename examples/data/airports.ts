/** Airports of vega-datasets as rows of the Table `airports`. */
import { DuckDBInstance } from '@duckdb/node-api'
import { airportsCsv } from './files.ts'

/** A line of the file, every field as text. */
export type AirportLine = {
  readonly iata: string
  readonly name: string
  readonly city: string | null
  readonly state: string | null
  readonly country: string | null
  readonly latitude: string
  readonly longitude: string
}

/** A row of the Table `airports`. */
export type Airport = {
  readonly iata: string
  readonly name: string
  readonly city: string | null
  readonly state: string | null
  readonly country: string | null
  readonly place: { readonly lat: number; readonly lon: number }
}

/** All airports, in the order of the file. */
export async function readAirports(): Promise<Airport[]> {
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  try {
    const lines = await connection.runAndReadAll('SELECT * FROM read_csv($1, header = true, all_varchar = true)', [
      airportsCsv,
    ])
    return lines.getRowObjectsJson().map(line => airportOf(line as AirportLine)) // columns as in the file's header
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** The row of one airport. Throws when it has no place on the globe. */
export function airportOf(line: AirportLine): Airport {
  const place = { lat: Number(line.latitude), lon: Number(line.longitude) }
  if (!(Math.abs(place.lat) <= 90 && Math.abs(place.lon) <= 180)) {
    throw new Error(`airport ${line.iata} lies at ${line.latitude}, ${line.longitude}`)
  }
  return {
    iata: line.iata,
    name: line.name.trim(),
    city: known(line.city),
    state: known(line.state),
    country: known(line.country),
    place,
  }
}

/** The file writes NA for what is not known. */
function known(text: string | null): string | null {
  const value = text?.trim() ?? ''
  return value === '' || value === 'NA' ? null : value
}
