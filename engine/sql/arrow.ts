/** Results as an Arrow IPC stream (https://arrow.apache.org/docs/format/Columnar.html): the schema, batches, and the mark of the end. */

import type { DuckDBType, DuckDBVector } from '@duckdb/node-api'
import {
  type Data,
  type DataType,
  Field,
  makeData,
  Null,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
} from 'apache-arrow'
import { arrowColumn } from './arrow-columns.ts'
import type { ColumnValues } from './result.ts'
import { Texts } from './texts.ts'

/** The continuation marker and a length of zero. */
const endOfStream = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

/** Writes one result. Put together, `schema`, what `batch` returns and `end` are an IPC stream. */
export type ArrowStream = {
  readonly schema: Uint8Array
  /** A record batch of so many rows, of vectors that are read value by value; one a column. */
  readonly batch: (count: number, vectors: readonly DuckDBVector[]) => Uint8Array
  /** One of columns that were read out of memory. */
  readonly batchOf: (count: number, columns: readonly ColumnValues[]) => Uint8Array
  readonly end: Uint8Array
}

/** The stream of a result of these columns. Types that Arrow has not (intervals, bits, unions …) come as text. */
export function arrowStream(names: readonly string[], types: readonly DuckDBType[]): ArrowStream {
  const columns = types.map(arrowColumn)
  const fields = columns.map(({ type }, index) => new Field(names[index] ?? '', type, true, metadataOf(types[index])))
  const schema = new Schema(fields)
  const write = (length: number, children: Data[]): Uint8Array => {
    const rows = makeData({ type: new Struct(fields), length, nullCount: 0, children })
    return RecordBatchStreamWriter.writeAll([new RecordBatch(schema, rows)]).toUint8Array(true)
  }
  const withoutRows = write(
    0,
    columns.map(({ data }) => data([])),
  )
  const schemaBytes = withoutRows.slice(0, firstMessageLength(withoutRows))
  const written = (count: number, children: Data[]): Uint8Array =>
    write(count, children).slice(schemaBytes.length, -endOfStream.length)
  return {
    schema: schemaBytes,
    batch: (count, vectors) =>
      written(
        count,
        columns.map(({ data }, index) => data(vectors[index]?.toArray() ?? [])),
      ),
    batchOf: (count, values) =>
      written(
        count,
        values.map((column, index) => memoryData(fields[index]?.type ?? new Null(), column)),
      ),
    end: endOfStream,
  }
}

/** What was read out of DuckDB's memory lies as Arrow wants it, but that its bits say what is valid. */
function memoryData(type: DataType, { nulls, values }: ColumnValues): Data {
  const nullBitmap = nulls.length === 0 ? null : nulls.map(byte => ~byte)
  const nullCount = nulls.reduce((count, byte) => count + bitsIn(byte), 0)
  const data =
    values instanceof Texts ? { valueOffsets: new Int32Array(values.offsets), data: values.bytes } : { data: values }
  return makeData({ type, length: values.length, nullCount, nullBitmap, ...data } as never)
}

const bitsIn = (byte: number): number => {
  let count = 0
  for (let rest = byte; rest > 0; rest &= rest - 1) count++
  return count
}

/** Marker, length of the metadata, metadata; that of a schema has no body. */
function firstMessageLength(stream: Uint8Array): number {
  return 8 + new DataView(stream.buffer, stream.byteOffset).getInt32(4, true)
}

/** The names of Arrow's canonical extension types. */
function metadataOf(type: DuckDBType | undefined): Map<string, string> {
  return new Map(type?.alias === 'JSON' ? [['ARROW:extension:name', 'arrow.json']] : [])
}
