/** QueryService: SQL as typed columns, and rows by key. */

import {
  blobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import { BlastyError } from '../../base/errors.ts'
import type { PastDatabases } from '../../engine/past/databases.ts'
import type { SqlDatabases } from '../../engine/sql/databases.ts'
import { guardQuery } from '../../engine/sql/guard.ts'
import type { QueryParameters, ResultFormat } from '../../engine/sql/query.ts'
import { runQuery } from '../../engine/sql/query.ts'
import type { ResultColumn, ResultType } from '../../engine/sql/result.ts'
import { runInTrino, TrinoTurns } from '../../engine/sql/trino/query.ts'
import { ColumnType } from '../../proto/gen/blasty/v1/common_pb.js'
import {
  ResultFormat as Format,
  QueryEngine,
  type QueryRequest,
  QueryResponseSchema,
  type QueryService,
  type Value,
} from '../../proto/gen/blasty/v1/query_service_pb.js'
import type { CallContext, ServiceImplementation } from '../grpc/context.ts'
import { encoded } from '../grpc/encoded.ts'
import { asOfOf, Leased, notInTrino } from './as-of.ts'
import { encodedBatch } from './column-batch.ts'
import { keyOf, rowMessage } from './json.ts'
import { boundsOf } from './key-bounds.ts'
import { leasedUntil, limitedInTrino, pinned, runsInTrino, trinoOf } from './lake-sql.ts'
import { checkKeyCount, page, rowAt, rowsAt } from './rows.ts'
import { patiently, type Scope } from './scope.ts'
import type { Snapshots } from './snapshots.ts'
import { positionOf, wantedRevision } from './token.ts'

/** Longest run of one statement, in milliseconds. */
const queryMillis = 60_000

type Reads = Pick<Scope, 'readable' | 'visible'>

export function queryService(
  scope: Reads,
  snapshots: Snapshots,
  databases: SqlDatabases,
  past: PastDatabases,
): ServiceImplementation<typeof QueryService> {
  const turns = new TrinoTurns()
  return {
    query: (request, context) => query(scope, databases, past, turns, request, context),
    async get({ table: ref, keyJson, minToken }, context) {
      const viewed = await scope.readable(context.identity, ref, 'table', 'Get')
      const { table } = viewed
      const { encoded } = keyOf(table, keyJson, 'key_json')
      const { row, token } = await rowAt(viewed, encoded, minToken, context)
      return { row: rowMessage(table, row), token }
    },
    async batchGet({ table: ref, keysJson, minToken }, context) {
      const viewed = await scope.readable(context.identity, ref, 'table', 'Get')
      const { table } = viewed
      checkKeyCount(keysJson.length, 'keys_json')
      const keys = keysJson.map((text, index) => keyOf(table, text, `keys_json[${index}]`).encoded)
      const { rows, token } = await rowsAt(viewed, keys, minToken, context)
      return { results: rows.map(row => (row === undefined ? {} : { row: rowMessage(table, row) })), token }
    },
    async list({ table: ref, pageSize, pageToken, minToken, range }, context) {
      const viewed = await scope.readable(context.identity, ref, 'table', 'List')
      const { table } = viewed
      const bounds = boundsOf(table, range)
      const request = { pageSize, pageToken, minToken, bounds }
      const { rows, nextPageToken, token } = await page(viewed, request, snapshots, context)
      return { rows: rows.map(row => rowMessage(table, row)), nextPageToken, token }
    },
  }
}

async function* query(
  scope: Reads,
  databases: SqlDatabases,
  past: PastDatabases,
  turns: TrinoTurns,
  request: QueryRequest,
  context: CallContext,
) {
  const { namespace, sql, minToken } = request
  if (namespace === '') throw new BlastyError('INVALID_ARGUMENT', { field: 'namespace', problem: 'is required' })
  const visible = scope.visible(context.identity, namespace, 'Query')
  const common = {
    parameters: parametersOf(request),
    format: formatOf(request),
    maxRows: request.maxRows === 0n ? Number.POSITIVE_INFINITY : Number(request.maxRows),
    timeoutMillis: queryMillis,
    signal: context.signal,
  }
  const guarded = await guardQuery(sql, visible)
  const readable = new Map(
    await Promise.all(
      guarded.tables.map(async name => {
        const one = await scope.readable(context.identity, { namespace, name }, 'sql', 'Query')
        return [name, one] as const
      }),
    ),
  )
  const readableOf = (name: string) => {
    const one = readable.get(name)
    if (one === undefined) throw new BlastyError('TABLE_NOT_FOUND', { table: name })
    return one
  }
  const tableOf = (name: string) => readableOf(name).table
  const tables = [...readable.values()]
  const [first] = tables
  const views = new Map(
    [...readable].flatMap(([name, { view }]) => (view.select === undefined ? [] : [[name, view.select] as const])),
  )
  const asOf = asOfOf(request)
  const facadeOnly = asOf !== undefined || views.size > 0
  const asked = { engine: request.engine, facadeOnly }
  const inTrino = runsInTrino(
    tables.map(({ served }) => served),
    asked,
  )
  const lake = first !== undefined && inTrino ? trinoOf(first.served) : undefined
  if (lake !== undefined && views.size > 0) throw limitedInTrino()
  if (asOf !== undefined && lake !== undefined) throw notInTrino()
  using state = new Leased()
  await using leases = new AsyncDisposableStack()
  const embedded = {
    ...common,
    sql,
    guarded,
    views,
    memory: databases.memory,
    visible,
    database: async (names: readonly string[], signal: AbortSignal) => {
      // Nothing is opened or run for one who may read nothing there, not even what names no Table.
      if (visible.size > 0) {
        if (asOf === undefined || names.length === 0) return databases.of(namespace)
        const wanted = (name: string) => asOf(tableOf(name), past, signal)
        const all = () => Promise.all(names.map(wanted))
        const lease = request.explain ? past.declare(namespace, all, signal) : past.lease(namespace, all, signal)
        return state.hold(await lease)
      }
      const table = `any table of namespace ${namespace}`
      throw new BlastyError('PERMISSION_DENIED', { subject: context.identity.user, action: 'Query', table })
    },
    admit: (signal: AbortSignal) => databases.admit(namespace, signal),
    freshen: async (name: string, signal: AbortSignal) => {
      if (asOf !== undefined) return
      const table = tableOf(name)
      const wanted = wantedRevision(minToken, table)
      const patience = { signal, deadline: context.deadline }
      await patiently(patience, `SQL over table ${table.log.table}`, wanted, waiting =>
        table.reached(wanted, 'columns', waiting),
      )
    },
  }
  const parts =
    lake === undefined
      ? runQuery(embedded)
      : runInTrino({
          ...common,
          query: guarded,
          client: lake.client(),
          pin: async (name, signal) => {
            const { served } = readableOf(name)
            const wanted = wantedRevision(minToken, served.table)
            const pin = await pinned(served, wanted, { signal, deadline: context.deadline })
            await leasedUntil(leases, served, pin.version)
            return pin
          },
          admit: signal => turns.enter(namespace, signal),
        })
  for await (const part of parts) {
    switch (part.kind) {
      case 'columns':
        yield { part: { case: 'header' as const, value: { columns: part.columns.map(columnMessage) } } }
        break
      case 'rows':
        yield encoded(QueryResponseSchema, encodedBatch(part.count, part.columns))
        break
      case 'arrow':
        yield { part: { case: 'arrow' as const, value: { ipc: part.bytes, rows: part.count } } }
        break
      case 'end': {
        const tables = [...part.revisions].map(([name, revision]) => positionOf(tableOf(name), revision))
        const { rows, truncated } = part
        const value = {
          token: { tables },
          engine: lake === undefined ? QueryEngine.EMBEDDED : QueryEngine.TRINO,
          rows: BigInt(rows),
          truncated,
        }
        yield { part: { case: 'trailer' as const, value } }
      }
    }
  }
}

function formatOf({ format, explain }: QueryRequest): ResultFormat {
  switch (format) {
    case Format.UNSPECIFIED:
    case Format.COLUMNS:
      return explain ? 'plan' : 'columns'
    case Format.ARROW_IPC:
      if (!explain) return 'arrow'
      throw new BlastyError('INVALID_ARGUMENT', { field: 'format', problem: 'a plan is sent as columns' })
    default:
      throw new BlastyError('INVALID_ARGUMENT', { field: 'format', problem: `${format} is no format` })
  }
}

const columnTypes: Readonly<Record<ResultType, ColumnType>> = {
  Boolean: ColumnType.BOOLEAN,
  Int32: ColumnType.INT32,
  Int64: ColumnType.INT64,
  Double: ColumnType.DOUBLE,
  Decimal: ColumnType.DECIMAL,
  String: ColumnType.STRING,
  UUID: ColumnType.UUID,
  Bytes: ColumnType.BYTES,
  Date: ColumnType.DATE,
  Timestamp: ColumnType.TIMESTAMP,
  JSON: ColumnType.JSON,
}

function columnMessage({ name, type, precision = 0, scale = 0 }: ResultColumn) {
  return { name, type: columnTypes[type], precision, scale }
}

function parametersOf({ parameters, namedParameters }: QueryRequest): QueryParameters {
  const named = Object.entries(namedParameters)
  if (named.length > 0 && parameters.length > 0) {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'parameters',
      problem: 'give parameters or named_parameters, not both',
    })
  }
  if (named.length === 0) return parameters.map((value, index) => parameterOf(value, `parameters[${index}]`))
  return Object.fromEntries(named.map(([name, value]) => [name, parameterOf(value, `named_parameters[${name}]`)]))
}

function parameterOf({ kind }: Value, field: string): DuckDBValue {
  const invalid = (problem: string) => new BlastyError('INVALID_ARGUMENT', { field, problem })
  switch (kind.case) {
    case undefined:
    case 'nullValue':
      return null
    case 'boolValue':
    case 'int64Value':
    case 'doubleValue':
    case 'stringValue':
      return kind.value
    case 'bytesValue':
      return blobValue(kind.value)
    case 'decimalValue': {
      const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(kind.value) ?? []
      const digits = whole.replace(/^0+(?=\d)/, '') + fraction
      if (whole === '' || digits.length > 38) throw invalid('must be a decimal of at most 38 digits, such as "12.50"')
      return new DuckDBDecimalValue(BigInt(sign + digits), Math.max(digits.length, fraction.length), fraction.length)
    }
    case 'dateValue': {
      const days = /^\d{4}-\d{2}-\d{2}$/.test(kind.value)
        ? Date.parse(`${kind.value}T00:00:00Z`) / 86_400_000
        : Number.NaN
      if (!Number.isInteger(days)) throw invalid('must be a date such as "2026-01-31"')
      return new DuckDBDateValue(days)
    }
    case 'timestampValue':
      return new DuckDBTimestampTZValue(kind.value.seconds * 1_000_000n + BigInt(Math.floor(kind.value.nanos / 1000)))
  }
}
