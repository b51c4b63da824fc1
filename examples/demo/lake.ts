/**
 * The lake of the flights, read with nothing of Blasty's: the Delta log as the JSON that it is, the Parquet files by plain DuckDB.
 * delta-rs, Trino, Spark or Polars read the same files as a table.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { Client } from 'minio'
import { at } from '../../devstack/kubernetes/api.ts'
import { kubectl } from './programs.ts'
import { thousands } from './story.ts'
import { namespace, type World } from './world.ts'

const patienceMillis = 120_000
const log = 'lake/_delta_log/'

type Lake = { readonly version: number; readonly files: readonly string[]; readonly rows: number }

/** Waits until all flights are in the lake, and counts them there. */
export async function readLake(world: World, flights: number): Promise<void> {
  const bucket = await kubectl(
    world,
    'get',
    'table/flights',
    '-n',
    namespace,
    '-o',
    'jsonpath={.status.external.bucket}',
  )
  const { objectStore } = world.info
  const { hostname, port } = new URL(objectStore.endpoint)
  const client = new Client({ ...objectStore, endPoint: hostname, port: Number(port), useSSL: false })
  const end = Date.now() + patienceMillis
  let lake = await lakeIn(client, bucket)
  while (lake.rows < flights && Date.now() < end) {
    await sleep(500, undefined, { signal: world.signal })
    lake = await lakeIn(client, bucket)
  }
  if (lake.rows !== flights) throw new Error(`the lake holds ${lake.rows} flights, ${flights} were imported`)
  const { version, files } = lake
  world.story.say(
    `s3://${bucket}/lake is a Delta Lake table at version ${version}: ${thousands(lake.rows)} rows in ${files.length} files of Parquet`,
  )
  const counted = await countWithDuckDB(client, bucket, files)
  if (counted !== flights) throw new Error(`DuckDB counts ${counted} flights in the files`)
  world.story.say(`DuckDB, which knows nothing of Blasty, counts ${thousands(counted)} in them`)
}

/** The live files, by adding up what each commit added and removed. Flights are never deleted, so that a file's rows all count. */
async function lakeIn(client: Client, bucket: string): Promise<Lake> {
  const keys = (await Array.fromAsync(client.listObjectsV2(bucket, log, true)))
    .map(({ name }) => name ?? '')
    .filter(name => name.endsWith('.json'))
    .sort()
  const live = new Map<string, number>()
  for (const key of keys) {
    const text = Buffer.concat(await Array.fromAsync(await client.getObject(bucket, key))).toString()
    const actions: unknown[] = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    for (const action of actions) live.delete(String(at(action, 'remove', 'path')))
    for (const action of actions) {
      const path = at(action, 'add', 'path')
      if (typeof path === 'string')
        live.set(path, Number(at(JSON.parse(String(at(action, 'add', 'stats'))), 'numRecords')))
    }
  }
  const rows = live.values().reduce((sum, count) => sum + count, 0)
  return { version: keys.length - 1, files: [...live.keys()], rows }
}

async function countWithDuckDB(client: Client, bucket: string, files: readonly string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'blasty-demo-'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    for (const file of files) await client.fGetObject(bucket, `lake/${file}`, join(folder, file))
    const result = await connection.runAndReadAll('SELECT count(*) FROM read_parquet($1)', [join(folder, '*.parquet')])
    return Number(result.getRows()[0]?.[0])
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true, force: true })
  }
}
