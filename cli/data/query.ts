/** Results of SQL as rows: values in the form in which rows are written as JSON. */

import { ColumnType, type Token } from '../../proto/gen/blasty/v1/common_pb.js'
import type { ColumnValues, QueryResponse, ResultColumn } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { JsonText, type Values } from './output.ts'

export type ResultPart =
  | { readonly kind: 'columns'; readonly columns: readonly ResultColumn[] }
  | { readonly kind: 'rows'; readonly rows: readonly Values[] }
  | { readonly kind: 'end'; readonly token: Token | undefined }

/** The parts of a result; throws when it ends without its trailer. */
export async function* resultParts(responses: AsyncIterable<QueryResponse>): AsyncGenerator<ResultPart> {
  let columns: readonly ResultColumn[] = []
  let complete = false
  for await (const { part } of responses) {
    switch (part.case) {
      case 'header':
        columns = part.value.columns
        yield { kind: 'columns', columns }
        break
      case 'batch': {
        const values = part.value.columns.map((column, index) => valuesOf(columns[index]?.type, column))
        yield {
          kind: 'rows',
          rows: Array.from({ length: part.value.rows }, (_, row) => values.map(column => column[row])),
        }
        break
      }
      case 'trailer':
        complete = true
        yield { kind: 'end', token: part.value.token }
    }
  }
  if (!complete) throw new Error('the result was cut short')
}

function valuesOf(type: ColumnType | undefined, { nulls, values }: ColumnValues): unknown[] {
  const isNull = (row: number) => (((nulls[row >> 3] ?? 0) >> (row & 7)) & 1) === 1
  const form = formOf(type)
  return (values.value?.values ?? []).map((value, row) => (isNull(row) ? null : form(value)))
}

function formOf(type: ColumnType | undefined): (value: unknown) => unknown {
  switch (type) {
    case ColumnType.DATE:
      return days => new Date(Number(days) * 86_400_000).toISOString().slice(0, 10)
    case ColumnType.TIMESTAMP:
      return micros => timestamp(BigInt(String(micros)))
    case ColumnType.INT64:
      return String
    case ColumnType.DOUBLE:
      return value => (Number.isFinite(value) ? value : String(value))
    case ColumnType.BYTES:
      return value => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value)
    case ColumnType.JSON:
      return text => new JsonText(String(text))
    default:
      return value => value
  }
}

function timestamp(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = new Date(Number((micros - rest) / 1000n)).toISOString().slice(0, 19)
  return `${seconds}.${rest.toString().padStart(6, '0')}Z`
}
