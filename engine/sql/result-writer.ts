/** From DuckDB's blocks of rows to the parts that are sent, small ones, whatever the values are like. */

import type { DuckDBDataChunk, DuckDBType, DuckDBVector } from '@duckdb/node-api'
import { arrowStream } from './arrow.ts'
import { type ColumnMemory, columnMemory } from './column-memory.ts'
import { maxPartSize, partsOf, type RowsPart, rangesOf } from './parts.ts'
import type { QueryPart, ResultFormat } from './query.ts'
import { columnValues, type ResultColumn, resultColumn } from './result.ts'

type RowsOf = Extract<QueryPart, { readonly count: number }>

/** `begin`, then what `rows` makes of the first `count` rows of each block, then `end`. */
export type ResultWriter = {
  readonly begin: readonly QueryPart[]
  readonly rows: (chunk: DuckDBDataChunk, count: number) => Iterable<RowsOf>
  readonly end: readonly QueryPart[]
}

export function resultWriter(
  format: ResultFormat,
  names: readonly string[],
  types: readonly DuckDBType[],
): ResultWriter {
  switch (format) {
    case 'columns':
      return columnWriter(names, types)
    case 'arrow':
      return arrowWriter(names, types)
    case 'plan':
      return planWriter
  }
}

function columnWriter(names: readonly string[], types: readonly DuckDBType[]): ResultWriter {
  const columns = types.map((type, index) => resultColumn(names[index] ?? '', type))
  return {
    begin: [{ kind: 'columns', columns }],
    *rows(chunk, rowCount) {
      const memories = memoriesOf(chunk, types)
      for (const part of memories === undefined ? read(chunk, rowCount, columns) : cut(memories, rowCount))
        yield { kind: 'rows', ...part }
    },
    end: [],
  }
}

/** Undefined when a column is of a type that has to be read value by value. */
function memoriesOf(chunk: DuckDBDataChunk, types: readonly DuckDBType[]): readonly ColumnMemory[] | undefined {
  const memories = types.flatMap((type, index) => columnMemory(chunk, index, type) ?? [])
  return memories.length === types.length ? memories : undefined
}

/** Of columns whose sizes are known before they are read. */
function* cut(memories: readonly ColumnMemory[], rowCount: number): Generator<RowsPart> {
  const width = memories.reduce((sum, memory) => sum + memory.width, 0)
  const texts = memories.flatMap(({ lengthOf }) => lengthOf ?? [])
  const sizeOf = (row: number) => texts.reduce((sum, lengthOf) => sum + lengthOf(row), width)
  for (const [from, to] of rangesOf(rowCount, sizeOf))
    yield { count: to - from, columns: memories.map(({ read }) => read(from, to)) }
}

/** Of columns of any types. */
function* read(chunk: DuckDBDataChunk, rowCount: number, columns: readonly ResultColumn[]): Generator<RowsPart> {
  for (const { count, vectors, told } of piecesOf(chunk, rowCount)) {
    const values = columns.flatMap((column, index) => {
      const vector = vectors[index]
      return vector === undefined ? [] : [columnValues(vector, column)]
    })
    const parts = partsOf({ count, columns: values })
    told(parts.length)
    yield* parts
  }
}

function arrowWriter(names: readonly string[], types: readonly DuckDBType[]): ResultWriter {
  const columns = types.map((type, index) => resultColumn(names[index] ?? '', type))
  const stream = arrowStream(names, types)
  return {
    begin: [
      { kind: 'columns', columns },
      { kind: 'arrow', count: 0, bytes: stream.schema },
    ],
    *rows(chunk, rowCount) {
      const memories = memoriesOf(chunk, types)
      if (memories !== undefined) {
        for (const { count, columns } of cut(memories, rowCount))
          yield* arrowParts(count, stream.batchOf(count, columns))
        return
      }
      for (const { count, vectors, told } of piecesOf(chunk, rowCount)) {
        const bytes = stream.batch(count, vectors)
        told(bytes.length / maxPartSize)
        yield* arrowParts(count, bytes)
      }
    },
    end: [{ kind: 'arrow', count: 0, bytes: stream.end }],
  }
}

function* arrowParts(count: number, bytes: Uint8Array): Generator<RowsOf> {
  for (let from = 0; from < bytes.length; from += maxPartSize) {
    const piece = bytes.subarray(from, from + maxPartSize)
    yield { kind: 'arrow', count: from + maxPartSize < bytes.length ? 0 : count, bytes: piece }
  }
}

/** DuckDB answers EXPLAIN with one row: what kind of plan, and its text. */
const planWriter: ResultWriter = {
  begin: [{ kind: 'columns', columns: [{ name: 'plan', type: 'String' }] }],
  *rows(chunk) {
    const values = chunk.getColumnValues(1).flatMap(plan => String(plan).trimEnd().split('\n'))
    yield { kind: 'rows', count: values.length, columns: [{ kind: 'strings', nulls: new Uint8Array(), values }] }
  },
  end: [],
}

/** Rows that are read before it is known how large they are. */
const firstRows = 128

type Piece = {
  readonly count: number
  readonly vectors: readonly DuckDBVector[]
  /** Tells how many parts the piece made; the next is as long as makes about one. */
  readonly told: (parts: number) => void
}

/** A block in pieces: its values, which may be a megabyte each, are not all brought into JavaScript at once. */
function* piecesOf(chunk: DuckDBDataChunk, rowCount: number): Generator<Piece> {
  const columns = Array.from({ length: chunk.columnCount }, (_, index) => chunk.getColumnVector(index))
  let step = firstRows
  for (let from = 0; from < rowCount; ) {
    const count = Math.min(step, rowCount - from)
    const vectors = columns.map(vector => (count === chunk.rowCount ? vector : vector.slice(from, count)))
    const told = (parts: number) => {
      step = Math.max(1, Math.floor(parts <= 1 ? count * 16 : count / parts))
    }
    yield { count, vectors, told }
    from += count
  }
}
