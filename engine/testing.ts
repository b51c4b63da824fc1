/** What the engine's tests share: a schema, a log on a real server, a folder that goes away. */

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JetStreamApiError } from '@nats-io/jetstream'
import { connectStreams, type Streams } from '../backends/streams/connect.ts'
import { testStack } from '../devstack/testing.ts'
import { type ChangeLog, changeLog, logStreamConfig } from './log/log.ts'
import { keyEncoder } from './schema/key.ts'
import type { Column, TableSchema } from './schema/schema.ts'
import { Schemas } from './schema/schemas.ts'

/** `err_code` of the server (JSStreamNotFoundErr). */
const streamNotFound = 10059

const column = (field: number, name: string, rest: Partial<Column> = {}): Column => ({
  name,
  type: 'String',
  required: false,
  field,
  ...rest,
})

/** A keyed Table with one column of most types. */
export const filmSchema: TableSchema = {
  number: 1,
  columns: [
    column(1, 'id', { required: true }),
    column(2, 'title'),
    column(3, 'votes', { type: 'Int64' }),
    column(4, 'gross', { type: 'Decimal', precision: 18, scale: 2 }),
    column(5, 'rating', { type: 'Double' }),
    column(6, 'released', { type: 'Date' }),
    column(7, 'seen', { type: 'Timestamp' }),
    column(8, 'tags', { type: 'Array', items: { type: 'String' } }),
    column(9, 'place', { type: 'GeoPoint' }),
    column(10, 'raw', { type: 'Bytes' }),
    column(11, 'extra', { type: 'JSON' }),
    column(12, 'flag', { type: 'Boolean' }),
    column(13, 'uid', { type: 'UUID' }),
    column(14, 'year', { type: 'Int32' }),
  ],
  retired: [],
  primaryKey: ['id'],
}

/** An append-only Table. */
export const eventSchema: TableSchema = {
  number: 1,
  columns: [column(1, 'at', { type: 'Timestamp' }), column(2, 'n', { type: 'Int64' }), column(3, 'text')],
  retired: [],
  primaryKey: [],
}

export type TestLog = { log: ChangeLog; streams: Streams; schemas: Schemas; close: () => Promise<void> }

/** A new log for `schema` on the shared server; `close` deletes it. */
export async function testLog(schema: TableSchema, maxBytes = 256 * 1024 * 1024): Promise<TestLog> {
  const { nats } = await testStack('nats')
  const streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
  const uid = randomUUID()
  const log = changeLog({ table: 'test/films', tableUid: uid, stream: `test_${uid}`, epoch: 1 }, streams)
  const config = { stream: log.stream, tableUid: uid, maxBytes, replicas: 1, epoch: 1, metadata: {} }
  await streams.admin.streams.add(logStreamConfig(config))
  const schemas = new Schemas(log.table, schema, async number => ({ ...schema, number }))
  const close = async () => {
    // A test may have lost it.
    await streams.admin.streams.delete(log.stream).catch((error: unknown) => {
      if (!(error instanceof JetStreamApiError && error.code === streamNotFound)) throw error
    })
    await streams.close()
  }
  return { log, streams, schemas, close }
}

export const encodeFilmKey = keyEncoder(filmSchema)

/** A folder of the test's own. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'blasty-test-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** A signal that gives up after a time no test should need. */
export const patience = (): AbortSignal => AbortSignal.timeout(30_000)

/** When the log stored a revision, cut off to the microsecond, as the server itself says it. */
export async function storedTime({ streams, stream }: ChangeLog, revision: number): Promise<string> {
  const message = await streams.admin.streams.getMessage(stream, { seq: revision })
  const [, second, fraction = ''] = /^(.+T[\d:]+)(?:\.(\d+))?Z$/.exec(message?.timestamp ?? '') ?? []
  if (second === undefined) throw new Error(`no message ${revision}`)
  return `${second}.${fraction.padEnd(6, '0').slice(0, 6)}Z`
}

/** Microseconds since 1970 as a time of canonical JSON. */
export const timeText = (micros: number): string => {
  const millis = Math.floor(micros / 1000)
  return `${new Date(millis).toISOString().slice(0, -1)}${String(micros - millis * 1000).padStart(3, '0')}Z`
}

/** A watch of memory for what takes little. */
export const unwatched = { enter: () => () => {} }
