/**
 * What `archive` and `recover` measure, in a process of its own: archiving a log of flights, the database doing the same from
 * lines of JSON, and opening a replica of a Table whose rows lie in the lake alone.
 */

import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { type ObjectStore, type ObjectStoreOptions, objectStore } from '../../backends/object-store/store.ts'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { archive } from '../../engine/lake/archiver.ts'
import { readType } from '../../engine/lake/columns.ts'
import { demandArchive } from '../../engine/lake/demand.ts'
import { logState, logStreamConfig } from '../../engine/log/log.ts'
import { purgeLog } from '../../engine/log/retention.ts'
import { openSqlDatabase } from '../../engine/replica/sql-database.ts'
import type { Column, Row, TableSchema } from '../../engine/schema/schema.ts'
import { Table } from '../../engine/table.ts'
import { flightChunks } from '../../examples/data/flights.ts'
import { monotonicMillis } from '../harness/clock.ts'
import { serveLoad } from '../harness/load.ts'

export type ArchivingSetup = {
  readonly objectStore: ObjectStoreOptions
  readonly streams: { readonly servers: readonly string[]; readonly user: string; readonly password: string }
  readonly rows: number
  readonly keyed: boolean
}

const column = (field: number, name: string, type: Column['type'], required = false): Column => ({
  name,
  type,
  required,
  field,
})
const flights: readonly Column[] = [
  column(1, 'departed', 'Timestamp'),
  column(2, 'delay_minutes', 'Int32'),
  column(3, 'distance_miles', 'Int32'),
  column(4, 'origin', 'String'),
  column(5, 'destination', 'String'),
]
const appendOnly: TableSchema = { number: 1, columns: flights, retired: [], primaryKey: [] }
const withKey: TableSchema = {
  ...appendOnly,
  columns: [column(6, 'id', 'Int64', true), ...flights],
  primaryKey: ['id'],
}

const batchRows = 900
const batchesAtOnce = 8
const sqlLimits = { memory: '4GB', threads: 2 }

/** A Table of flights on the real servers, and the same flights as lines of JSON in a file. */
class Flights {
  readonly #objects: ObjectStore
  readonly #streams: Streams
  readonly #schema: TableSchema
  readonly #stream = `bench_${randomUUID()}`
  readonly #folder: string
  readonly #rows: number
  #last = 0
  #bucket = ''
  #peak = 0

  private constructor(setup: ArchivingSetup, streams: Streams, folder: string) {
    this.#objects = objectStore(setup.objectStore)
    this.#streams = streams
    this.#schema = setup.keyed ? withKey : appendOnly
    this.#folder = folder
    this.#rows = setup.rows
  }

  static async open(setup: ArchivingSetup): Promise<Flights> {
    const streams = await connectStreams({ ...setup.streams, name: 'bench' })
    const flights = new Flights(setup, streams, await mkdtemp(join(tmpdir(), 'blasty-bench-')))
    await flights.#fill()
    return flights
  }

  /** Archives the whole log into a bucket of its own; rows a second. */
  async archive(): Promise<number> {
    this.#bucket = `bench-${randomUUID()}`
    await this.#objects.makeBucket(this.#bucket)
    const table = this.#table()
    const stop = new AbortController()
    const started = monotonicMillis()
    using _ = this.#watchMemory()
    // As a writer does that waits for the last row to be archived.
    const demanding = setInterval(() => demandArchive(table, this.#last), 50)
    let failure: unknown
    await archive({
      table,
      directory: join(this.#folder, randomUUID()),
      commitWindowMillis: 30_000,
      historySeconds: 3600,
      retentionSeconds: 3600,
      emptyPauseMillis: 100,
      signal: stop.signal,
      onProgress: ({ revision }) => revision >= this.#last && stop.abort(),
      onFailure: error => {
        failure = error
        stop.abort()
      },
    })
    const took = monotonicMillis() - started
    clearInterval(demanding)
    await table.close()
    if (failure !== undefined) throw failure
    return (this.#rows / took) * 1000
  }

  /** The database reads the same rows as lines of JSON and writes them as Parquet; rows a second. */
  async native(): Promise<number> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
    const connection = await instance.connect()
    const types = this.#schema.columns.map(one => `${one.name}: '${readType(one)}'`).join(', ')
    const started = monotonicMillis()
    await connection.run(
      `COPY (SELECT * FROM read_json('${this.#lines}', columns = {${types}}, format = 'newline_delimited'))
        TO '${this.#lines}.parquet' (FORMAT parquet, COMPRESSION zstd)`,
    )
    const took = monotonicMillis() - started
    connection.closeSync()
    instance.closeSync()
    return (this.#rows / took) * 1000
  }

  /** Purges the log of what was archived last, then opens a replica with nothing in its cache; seconds until SQL is served. */
  async recover(): Promise<number> {
    const { first } = await logState(this.#table().log)
    if (first <= this.#last) {
      await purgeLog(this.#table().log, this.#last, { retentionSeconds: 0, now: Date.now() + 60_000 })
    }
    const folder = join(this.#folder, randomUUID())
    await mkdir(folder)
    using _ = this.#watchMemory()
    const started = monotonicMillis()
    const sql = await openSqlDatabase(join(folder, 'bench.duckdb'), sqlLimits)
    const table = this.#table(folder, sql)
    const replica = await table.reached(this.#last, 'columns', AbortSignal.timeout(300_000))
    if (table.keyed) await replica.reached(this.#last, AbortSignal.timeout(300_000))
    const seconds = (monotonicMillis() - started) / 1000
    const connection = await sql.connect()
    const [row] = (await connection.runAndReadAll('SELECT count(*) FROM flights')).getRowsJson()
    connection.closeSync()
    if (Number(row?.[0]) !== this.#rows) throw new Error(`${String(row?.[0])} rows were recovered, not ${this.#rows}`)
    await table.close()
    await sql.close()
    return seconds
  }

  /** The most memory that was resident during the last measurement, in megabytes. */
  get peakMegabytes(): number {
    return this.#peak / 1024 / 1024
  }

  #watchMemory(): Disposable {
    const look = () => {
      this.#peak = Math.max(this.#peak, process.memoryUsage.rss())
    }
    this.#peak = 0
    const timer = setInterval(look, 50)
    return {
      [Symbol.dispose]: () => {
        clearInterval(timer)
        look()
      },
    }
  }

  async close(): Promise<void> {
    await this.#streams.admin.streams.delete(this.#stream)
    await this.#streams.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #lines(): string {
    return join(this.#folder, 'flights.ndjson')
  }

  #table(folder = join(this.#folder, randomUUID()), sql?: Awaited<ReturnType<typeof openSqlDatabase>>): Table {
    return new Table(
      {
        namespace: 'bench',
        name: 'flights',
        uid: this.#stream,
        schema: this.#schema,
        bucket: this.#bucket,
        stream: this.#stream,
        epoch: 1,
      },
      {
        streams: this.#streams,
        objects: this.#objects,
        dataDirectory: folder,
        ...(sql === undefined ? {} : { sql: async () => sql }),
        onError: error => {
          throw error
        },
      },
    )
  }

  async #fill(): Promise<void> {
    const config = { stream: this.#stream, tableUid: this.#stream, maxBytes: 20 * 1024 ** 3, replicas: 1, epoch: 1 }
    await this.#streams.admin.streams.add(logStreamConfig({ ...config, metadata: {} }))
    const table = this.#table()
    const options = { principal: 'bench', schema: 1, signal: AbortSignal.timeout(300_000) }
    let id = 0
    const under = new Set<Promise<unknown>>()
    const lines = async function* (this: Flights) {
      const { codec } = table.schemas
      for await (const texts of flightChunks(table.keyed ? batchRows : 20 * batchRows, this.#rows)) {
        const rows: Row[] = texts.map(text =>
          codec.row({ ...JSON.parse(text), ...(table.keyed && { id: id++ }) }, 'row'),
        )
        const writing = table.keyed
          ? table.writer.write(
              rows.map(row => ({ op: 'put', row })),
              options,
            )
          : table.writer.append(rows, options)
        const done = writing.then(({ revision }) => {
          this.#last = Math.max(this.#last, revision)
          under.delete(done)
        })
        under.add(done)
        if (under.size >= batchesAtOnce) await Promise.race(under)
        yield rows.map(row => `${JSON.stringify(row)}\n`).join('')
      }
    }
    await pipeline(lines.call(this), createWriteStream(this.#lines))
    await Promise.all(under)
    await table.close()
  }
}

let flightsOpen: Flights | undefined
const opened = (): Flights => {
  if (flightsOpen === undefined) throw new Error('open was not called')
  return flightsOpen
}

const functions = {
  open: async (setup: ArchivingSetup) => {
    await flightsOpen?.close()
    flightsOpen = await Flights.open(setup)
  },
  archive: () => opened().archive(),
  native: () => opened().native(),
  recover: () => opened().recover(),
  peakMegabytes: async () => opened().peakMegabytes,
  close: () => opened().close(),
}
export type Archiving = typeof functions
serveLoad(functions)
