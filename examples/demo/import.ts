/** Bulk import over gRPC: chunks go out while acks come in. */
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import { type ImportSummary, MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { readAirports } from '../data/airports.ts'
import { readFilms } from '../data/films.ts'
import { flightChunks } from '../data/flights.ts'
import { type Caller, callAs, tableRef } from './client.ts'
import { type Progress, thousands } from './story.ts'
import type { World } from './world.ts'

/** Rows a chunk: the most that one atomic batch takes. */
const chunkRows = 998

/** Tokens at which a read sees everything imported. */
export type Imported = { readonly films: Token; readonly airports: Token; readonly flights: Token }

/** Imports films, airports and the first `flightCount` flights. */
export async function importAll(world: World, flightCount: number): Promise<Imported> {
  using importer = await callAs(world, 'importer')
  const films = await importTable(world, importer, 'films', chunksOf(await readFilms()))
  const airports = await importTable(world, importer, 'airports', chunksOf(await readAirports()))
  const bar = world.story.progress(flightCount, 'flights')
  try {
    const flights = await importTable(world, importer, 'flights', flightChunks(chunkRows, flightCount), bar)
    return { films, airports, flights }
  } finally {
    bar.stop()
  }
}

/** Sends chunks under an import id, with which the same chunks may be sent again: none is written twice. */
async function importTable(
  { story, signal }: World,
  caller: Caller,
  table: string,
  chunks: AsyncIterable<string[]> | Iterable<string[]>,
  bar?: Progress,
): Promise<Token> {
  const began = performance.now()
  const mutations = caller.service(MutationService)
  let summary: ImportSummary | undefined
  for await (const { message } of mutations.import(requests(table, chunks), { signal })) {
    if (message.case === 'progress') bar?.update(Number(message.value.rows))
    if (message.case === 'summary') summary = message.value
  }
  bar?.stop()
  if (summary?.token === undefined) throw new Error(`the import of ${table} ended without a summary`)
  const rate = (Number(summary.rows) / (performance.now() - began)) * 1_000
  const what = `${table}: ${thousands(summary.rows)} rows in ${thousands(summary.chunks)} atomic chunks`
  story.say(`${what}, ${thousands(Math.round(rate))} rows a second, each on disk before its ack`)
  return summary.token
}

async function* requests(table: string, chunks: AsyncIterable<string[]> | Iterable<string[]>) {
  yield { message: { case: 'open' as const, value: { table: tableRef(table), importId: `demo-${table}` } } }
  let number = 0n
  for await (const rowsJson of chunks) {
    number += 1n
    yield { message: { case: 'chunk' as const, value: { number, rowsJson } } }
  }
}

function* chunksOf(rows: readonly object[]): Generator<string[]> {
  for (let from = 0; from < rows.length; from += chunkRows) {
    yield rows.slice(from, from + chunkRows).map(row => JSON.stringify(row))
  }
}
