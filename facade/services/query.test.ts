/** SQL over gRPC: formats, limits and parameters as requests carry them, and a client that leaves. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { tableFromIPC } from 'apache-arrow'
import { PastDatabases } from '../../engine/past/databases.ts'
import { SqlDatabases } from '../../engine/sql/databases.ts'
import { patience, temporaryFolder } from '../../engine/testing.ts'
import {
  QueryEngine,
  type QueryRequestSchema,
  type QueryResponse,
  QueryService,
  ResultFormat,
} from '../../proto/gen/blasty/v1/query_service_pb.js'
import { type Connection, connect } from '../grpc/client.ts'
import { type GrpcServer, startGrpcServer } from '../grpc/server.ts'
import { failsWith, unused } from '../grpc/testing.ts'
import { queryService } from './query.ts'
import { Snapshots } from './snapshots.ts'

type Request = MessageInitShape<typeof QueryRequestSchema>

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let databases: SqlDatabases
let past: PastDatabases
let server: GrpcServer
let connection: Connection

before(async () => {
  folder = await temporaryFolder()
  databases = new SqlDatabases(folder.path, { memory: '200MB', threads: 1, statements: 4 })
  past = new PastDatabases({
    directory: join(folder.path, 'past'),
    limits: { memory: '200MB', threads: 1 },
    memory: databases.memory,
  })
  server = await startGrpcServer({
    address: '127.0.0.1:0',
    authenticate: async () => ({ user: 'ada', groups: [] }),
    log: { internalError: (id, path, error) => assert.fail(`${id} ${path} ${error}`) },
  })
  // No statement of these tests reads it; without one the caller could not ask anything.
  const scope = { readable: unused, visible: () => new Set(['films']) }
  server.add(QueryService, queryService(scope, new Snapshots(), databases, past))
  connection = connect(`127.0.0.1:${server.port}`)
})
after(async () => {
  connection.close()
  await server.close(100)
  await past.close()
  await databases.close()
  await folder.remove()
})

async function ask(request: Request, signal = patience()): Promise<QueryResponse[]> {
  return Array.fromAsync(connection.service(QueryService).query({ namespace: 'test', ...request }, { signal }))
}

/** Values of a result of one column, in the order they came. */
const valuesOf = (parts: readonly QueryResponse[]) =>
  parts.flatMap(({ part }) => (part.case === 'batch' ? [...(part.value.columns[0]?.values.value?.values ?? [])] : []))
const trailerOf = (parts: readonly QueryResponse[]) => {
  const last = parts.at(-1)?.part
  assert.ok(last?.case === 'trailer')
  return last.value
}

test('rows come as columns, then the end with their number', async () => {
  for (const format of [ResultFormat.UNSPECIFIED, ResultFormat.COLUMNS]) {
    const parts = await ask({ sql: 'SELECT range FROM range(3)', format })
    assert.deepEqual(valuesOf(parts), [0n, 1n, 2n])
    const { rows, truncated, engine } = trailerOf(parts)
    assert.deepEqual([rows, truncated, engine], [3n, false, QueryEngine.EMBEDDED])
  }
})

test('max_rows cuts the result and says so; 0 is no limit', async () => {
  const cut = await ask({ sql: 'SELECT range FROM range(100000)', maxRows: 3n })
  assert.deepEqual(valuesOf(cut), [0n, 1n, 2n])
  assert.deepEqual([trailerOf(cut).rows, trailerOf(cut).truncated], [3n, true])
  const whole = await ask({ sql: 'SELECT range FROM range(100000)' })
  assert.deepEqual([trailerOf(whole).rows, trailerOf(whole).truncated], [100_000n, false])
  assert.equal(trailerOf(await ask({ sql: 'SELECT 1', maxRows: 2n ** 64n - 1n })).truncated, false)
})

test('an Arrow stream comes in pieces that put together can be read, whatever their size', async () => {
  const sql =
    "SELECT range AS n, {'a': [range::VARCHAR, NULL]} AS s, (SELECT string_agg(repeat('x', 10000), '') FROM range(200)) AS v FROM range(5)"
  const parts = await ask({ sql, format: ResultFormat.ARROW_IPC })
  const [header] = parts
  assert.ok(header?.part.case === 'header')
  assert.deepEqual(
    header.part.value.columns.map(({ name }) => name),
    ['n', 's', 'v'],
  )
  const pieces = parts.flatMap(({ part }) => (part.case === 'arrow' ? [part.value] : []))
  assert.ok(pieces.every(({ ipc }) => ipc.length <= 2 ** 20))
  assert.equal(
    pieces.reduce((sum, { rows }) => sum + rows, 0),
    5,
  )
  const table = tableFromIPC(Buffer.concat(pieces.map(({ ipc }) => ipc)))
  assert.deepEqual(
    [...table].map(({ n, s, v }) => [n, [...s.a], v.length]),
    [0n, 1n, 2n, 3n, 4n].map(n => [n, [String(n), null], 2_000_000]),
  )
  assert.equal(trailerOf(parts).rows, 5n)
})

test('a plan is text and no rows', async () => {
  const parts = await ask({ sql: 'SELECT sum(range) FROM range(1000000000000)', explain: true })
  assert.match(valuesOf(parts).join('\n'), /RANGE/)
  await assert.rejects(
    ask({ sql: 'SELECT 1', explain: true, format: ResultFormat.ARROW_IPC }),
    failsWith({ reason: 'INVALID_ARGUMENT' }),
  )
  await assert.rejects(ask({ sql: 'DROP TABLE films', explain: true }), failsWith({ reason: 'INVALID_SQL' }))
})

test('a format that is none is refused', async () => {
  await assert.rejects(ask({ sql: 'SELECT 1', format: 99 as ResultFormat }), failsWith({ reason: 'INVALID_ARGUMENT' }))
})

test('every kind of parameter arrives as its type', async () => {
  const typed = async (parameter: NonNullable<Request['parameters']>[number], sql = 'SELECT typeof($1)') =>
    valuesOf(await ask({ sql, parameters: [parameter] }))[0]
  assert.equal(await typed({ kind: { case: 'boolValue', value: true } }), 'BOOLEAN')
  assert.equal(await typed({ kind: { case: 'int64Value', value: -(2n ** 63n) } }), 'BIGINT')
  assert.equal(await typed({ kind: { case: 'int64Value', value: -(2n ** 63n) } }, 'SELECT $1'), -(2n ** 63n))
  assert.equal(await typed({ kind: { case: 'doubleValue', value: Number.NaN } }, 'SELECT isnan($1)'), true)
  assert.equal(
    await typed({ kind: { case: 'stringValue', value: "'; DROP TABLE films; -- 💡" } }, 'SELECT $1'),
    "'; DROP TABLE films; -- 💡",
  )
  assert.equal(await typed({ kind: { case: 'bytesValue', value: Uint8Array.of(0, 255) } }, 'SELECT hex($1)'), '00FF')
  assert.equal(await typed({ kind: { case: 'decimalValue', value: '-0012.50' } }), 'DECIMAL(4,2)')
  assert.equal(await typed({ kind: { case: 'dateValue', value: '2024-02-29' } }), 'DATE')
  const timestampValue = { seconds: -1n, nanos: 999_999_000 }
  assert.equal(await typed({ kind: { case: 'timestampValue', value: timestampValue } }, 'SELECT epoch_us($1)'), -1n)
  assert.equal(await typed({ kind: { case: 'nullValue', value: 0 } }, 'SELECT $1 IS NULL'), true)
  assert.equal(await typed({}, 'SELECT $1 IS NULL'), true)
  const named = {
    a: { kind: { case: 'int64Value' as const, value: 2n } },
    b: { kind: { case: 'int64Value' as const, value: 3n } },
  }
  assert.deepEqual(valuesOf(await ask({ sql: 'SELECT $a * $b + $a', namedParameters: named })).map(Number), [8])
})

test('parameters that are no values, too few or too many are refused', async () => {
  const invalid = failsWith({ reason: 'INVALID_ARGUMENT' })
  const one = { kind: { case: 'int64Value' as const, value: 1n } }
  for (const value of ['', '.5', '1e3', '1'.repeat(39), 'NaN', '+1']) {
    await assert.rejects(
      ask({ sql: 'SELECT $1', parameters: [{ kind: { case: 'decimalValue', value } }] }),
      invalid,
      value,
    )
  }
  for (const value of ['', '2026-02-30x', '2026-13-01', '26-01-01', 'infinity']) {
    await assert.rejects(
      ask({ sql: 'SELECT $1', parameters: [{ kind: { case: 'dateValue', value } }] }),
      invalid,
      value,
    )
  }
  await assert.rejects(ask({ sql: 'SELECT $1' }), invalid)
  await assert.rejects(ask({ sql: 'SELECT 1', parameters: [one] }), invalid)
  await assert.rejects(ask({ sql: 'SELECT $1', parameters: [one], namedParameters: { a: one } }), invalid)
  await assert.rejects(ask({ sql: 'SELECT 1', namespace: '' }), invalid)
})

const endless = 'SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = -1'
const turns = async (running: number) => {
  while (databases.running !== running) await new Promise(resolve => setTimeout(resolve, 5))
}

test('statements of clients that left are interrupted: others get their turns', async () => {
  const leave = new AbortController()
  const running = Array.from({ length: 8 }, (_, i) => ask({ sql: `${endless} - ${i}` }, leave.signal))
  const ended = Promise.allSettled(running)
  await turns(2)
  leave.abort()
  assert.ok((await ended).every(({ status }) => status === 'rejected'))
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask({ sql: 'SELECT 1' })))
  assert.deepEqual(answers.flatMap(valuesOf), new Array(8).fill(1))
  await turns(0)
})

test('a namespace whose statements take all the time leaves turns to others', async () => {
  const leave = new AbortController()
  const ended = Promise.allSettled(Array.from({ length: 8 }, () => ask({ sql: endless }, leave.signal)))
  await turns(2)
  assert.deepEqual(valuesOf(await ask({ namespace: 'another', sql: 'SELECT 1' })), [1])
  leave.abort()
  await ended
  await turns(0)
})

test('a deadline that passes interrupts the statement', async () => {
  const call = connection.service(QueryService).query({ namespace: 'test', sql: endless }, { timeoutMs: 200 })
  await assert.rejects(Array.fromAsync(call), failsWith({ status: 'DEADLINE_EXCEEDED' }))
  await turns(0)
})
