/** Flights of vega-datasets as rows of the Table `flights`, read in pieces: there are three million. */
import { DuckDBInstance } from '@duckdb/node-api'
import { flightsParquet } from './files.ts'

/**
 * A flight as JSON text. DuckDB writes it, many times faster than this process could. The departure is of local time
 * somewhere; here it counts as UTC.
 */
const rowJson = `json_object(
  'departed', strftime(date, '%Y-%m-%dT%H:%M:%SZ'),
  'delay_minutes', delay,
  'distance_miles', distance,
  'origin', origin,
  'destination', destination
)::VARCHAR`

/** The first `limit` flights as JSON text, in the order of the file, in chunks of `rows` (the last has fewer). */
export async function* flightChunks(rows: number, limit: number): AsyncGenerator<string[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    const result = await connection.stream(`SELECT ${rowJson} FROM read_parquet($1) LIMIT $2`, [
      flightsParquet,
      BigInt(limit),
    ])
    let pending: string[] = []
    for (
      let piece = await result.fetchChunk();
      piece !== null && piece.rowCount > 0;
      piece = await result.fetchChunk()
    ) {
      pending = pending.concat(piece.getColumnValues(0).map(String))
      while (pending.length >= rows) yield pending.splice(0, rows)
    }
    if (pending.length > 0) yield pending
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
