/** What came to be: the resources, and behind them bucket, stream and search index as their own servers show them. */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Meilisearch } from 'meilisearch'
import { Client } from 'minio'
import { at } from '../../devstack/kubernetes/api.ts'
import { kubectl } from './programs.ts'
import { type Cell, thousands } from './story.ts'
import { namespace, type World } from './world.ts'

/** Prints every resource of this project's kinds. */
export async function showResources(world: World): Promise<void> {
  world.story.say(`$ kubectl get blasty -n ${namespace}`)
  world.story.say(await kubectl(world, 'get', 'blasty', '-n', namespace))
}

/** Asks MinIO, NATS and the search server what they hold. Throws when something is not there. */
export async function showBackends(world: World): Promise<void> {
  const tables = await externalNames(world, 'tables')
  const subscriptions = await externalNames(world, 'subscriptions')
  const indexes = await externalNames(world, 'indexes')
  const rows = [
    ...(await buckets(world, tables)),
    ...(await streams(world, [...tables, ...subscriptions])),
    ...(await searchIndexes(world, indexes)),
  ]
  world.story.table(['asked', 'of', 'found', 'holding'], rows)
}

/** A resource and the names of what was made for it. */
type External = { readonly resource: string; readonly names: unknown }

async function externalNames(world: World, kind: string): Promise<External[]> {
  const list: unknown = JSON.parse(await kubectl(world, 'get', kind, '-n', namespace, '-o', 'json'))
  const items = at(list, 'items')
  if (!Array.isArray(items)) throw new Error(`kubectl get ${kind} lists nothing`)
  return items.map(item => ({
    resource: `${at(item, 'kind')} ${at(item, 'metadata', 'name')}`,
    names: at(item, 'status', 'external'),
  }))
}

function nameOf({ resource, names }: External, what: string): string {
  const name = at(names, what)
  if (typeof name !== 'string') throw new Error(`the status of ${resource} names no ${what}`)
  return name
}

async function buckets({ info: { objectStore } }: World, tables: readonly External[]): Promise<Cell[][]> {
  const { hostname, port } = new URL(objectStore.endpoint)
  const client = new Client({ ...objectStore, endPoint: hostname, port: Number(port), useSSL: false })
  return await Promise.all(
    tables.map(async table => {
      const bucket = nameOf(table, 'bucket')
      const objects = await Array.fromAsync(client.listObjectsV2(bucket, '', true))
      if (objects.length === 0) throw new Error(`bucket ${bucket} is empty`)
      return ['MinIO', table.resource, bucket, `${thousands(objects.length)} objects`]
    }),
  )
}

async function streams({ info: { nats } }: World, owners: readonly External[]): Promise<Cell[][]> {
  const { user, password } = nats.users.facade
  const connection = await connect({ servers: [...nats.servers], user, pass: password })
  try {
    const manager = await jetstreamManager(connection)
    return await Promise.all(
      owners.map(async owner => {
        const stream = nameOf(owner, 'stream')
        const { state } = await manager.streams.info(stream)
        const megabytes = (state.bytes / 1e6).toFixed(1)
        return ['NATS', owner.resource, stream, `${thousands(state.messages)} messages, ${megabytes} MB`]
      }),
    )
  } finally {
    await connection.close()
  }
}

async function searchIndexes({ info: { search } }: World, indexes: readonly External[]): Promise<Cell[][]> {
  const client = new Meilisearch({ host: search.host, apiKey: search.key })
  return await Promise.all(
    indexes.map(async index => {
      const uid = nameOf(index, 'index')
      const { numberOfDocuments } = await client.index(uid).getStats()
      if (numberOfDocuments === 0) throw new Error(`search index ${uid} is empty`)
      return ['Search', index.resource, uid, `${thousands(numberOfDocuments)} documents, one tells its progress`]
    }),
  )
}
