/** SQL over two Tables, its answer held against DuckDB reading the files the rows came from. */
import { isDeepStrictEqual } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { airportsCsv, flightsParquet } from '../data/files.ts'
import { callAs, sql } from './client.ts'
import type { Imported } from './import.ts'
import { type Cell, thousands } from './story.ts'
import type { World } from './world.ts'

const busiestRoutes = `
SELECT a.city || ' (' || f.origin || ')' AS "from",
       b.city || ' (' || f.destination || ')' AS "to",
       count(*) AS flights,
       round(avg(f.delay_minutes), 2) AS "average delay, minutes",
       max(f.delay_minutes) AS worst
FROM flights f
JOIN airports a ON a.iata = f.origin
JOIN airports b ON b.iata = f.destination
GROUP BY ALL
ORDER BY flights DESC, "from", "to"
LIMIT 8`.trim()

/** The Tables as the files give them, for a judge who knows nothing of this project. */
const fromFiles = (flightCount: number): string =>
  `
WITH airports AS (
  SELECT iata, trim(city) AS city FROM read_csv('${airportsCsv}', header = true, nullstr = 'NA')
), flights AS (
  SELECT origin, destination, delay AS delay_minutes FROM read_parquet('${flightsParquet}')
  LIMIT ${flightCount}
)`.trim()

/** Finds the busiest routes, at the revisions imported. Throws when the answer is not that of the files. */
export async function joinAndAggregate(
  world: World,
  { airports, flights }: Imported,
  flightCount: number,
): Promise<void> {
  const { story } = world
  using web = await callAs(world, 'web')
  const minToken = { ...flights, tables: [...flights.tables, ...airports.tables] }
  story.say(busiestRoutes)
  const first = await timed(() => sql(world, web, busiestRoutes, minToken))
  const again = await timed(() => sql(world, web, busiestRoutes, minToken))
  const { columns, rows } = first.result
  story.table(
    columns,
    rows.map(row => row.map(cell)),
  )
  story.say(`first ${thousands(first.milliseconds)} ms (with the wait for all rows), again ${again.milliseconds} ms`)

  const expected = await fileAnswer(flightCount)
  const actual = rows.map(row => row.map(String))
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`SQL answers ${JSON.stringify(actual)}, the files say ${JSON.stringify(expected)}`)
  }
  story.say('DuckDB on the files themselves gives the same answer')
}

async function fileAnswer(flightCount: number): Promise<string[][]> {
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  try {
    const answer = await connection.runAndReadAll(`${fromFiles(flightCount)} ${busiestRoutes}`)
    return answer.getRows().map(row => row.map(String))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const cell = (value: unknown): Cell =>
  typeof value === 'bigint'
    ? thousands(value)
    : typeof value === 'number' && !Number.isInteger(value)
      ? value.toFixed(2)
      : `${value ?? ''}`

async function timed<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly milliseconds: number }> {
  const began = performance.now()
  const result = await work()
  return { result, milliseconds: Math.round(performance.now() - began) }
}
