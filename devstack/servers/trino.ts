/** Trino with a catalogue `lake`: Delta tables in the stack's object store, known to a metastore of files; and one that caches, beside it. */
import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { trino } from '../../backends/trino/client.ts'
import type { ObjectStoreInfo, TrinoInfo } from '../info.ts'
import type { TrinoProgram } from '../lake/trino.ts'
import { loopback } from '../ports.ts'
import { keptFile } from '../secrets.ts'
import type { ServerSpec } from '../server.ts'

export const trinoPortCount = 1

const catalog = 'lake'
/** The same tables for a Trino that keeps what it reads of objects on a disk, which many are set up to do. */
export const cachingCatalog = 'lake_cached'
/** Where the stack's Trino keeps that. */
export const trinoCache = (stackFolder: string): string => join(stackFolder, 'trino', 'cache')

const requestTimeoutMilliseconds = 5_000

/** A start loads some thirty thousand classes: half a minute of two cores that do other work as well. */
const readySeconds = 180

/** Name of the variable in which the server finds the store's secret, so that no file holds it. */
const secretVariable = 'BLASTY_LAKE_SECRET_KEY'

export type TrinoSetting = {
  /** The stack's folder. */
  readonly folder: string
  readonly port: number
  readonly program: TrinoProgram
  readonly objectStore: ObjectStoreInfo
}

/** Prepares the server. It trusts whoever reaches its port, which listens on the loopback address only. */
export async function prepareTrino(
  setting: TrinoSetting,
): Promise<{ readonly spec: ServerSpec; readonly info: TrinoInfo }> {
  const { port, program, objectStore } = setting
  const folder = join(setting.folder, 'trino')
  const catalogs = join(folder, 'catalog')
  const temporary = join(folder, 'tmp')
  const cache = trinoCache(setting.folder)
  for (const path of [catalogs, join(folder, 'metastore'), temporary, cache]) await mkdir(path, { recursive: true })
  const nodeId = await keptFile(join(folder, 'node-id'), randomUUID)
  const server = `http://${loopback}:${port}`

  const configFile = join(folder, 'config.properties')
  await writeProperties(configFile, {
    coordinator: 'true',
    'node-scheduler.include-coordinator': 'true',
    'node.environment': 'blasty',
    'node.id': nodeId,
    'node.bind-ip': loopback,
    'node.internal-address': loopback,
    'http-server.http.port': String(port),
    'http-server.log.enabled': 'false', // it would go to the working directory
    'discovery.uri': server,
    'plugin.dir': join(program.home, 'plugin'),
    'catalog.config-dir': catalogs,
    'failure-detector.enabled': 'false', // a busy machine would make its one node look dead
    'web-ui.enabled': 'false',
  })
  const lake = {
    'connector.name': 'delta_lake',
    'hive.metastore': 'file',
    'hive.metastore.catalog.dir': 'local:///metastore',
    'fs.native-local.enabled': 'true',
    'local.location': folder,
    'fs.native-s3.enabled': 'true',
    's3.endpoint': objectStore.endpoint,
    's3.region': objectStore.region,
    's3.path-style-access': 'true',
    's3.aws-access-key': objectStore.accessKey,
    's3.aws-secret-key': `\${ENV:${secretVariable}}`,
    'delta.register-table-procedure.enabled': 'true',
  }
  await writeProperties(join(catalogs, `${catalog}.properties`), lake)
  await writeProperties(join(catalogs, `${cachingCatalog}.properties`), {
    ...lake,
    'fs.cache.enabled': 'true',
    'fs.cache.directories': cache,
    'fs.cache.max-sizes': '100MB',
  })
  const levelsFile = join(folder, 'log.properties')
  await writeProperties(levelsFile, { 'io.trino': 'INFO', Bootstrap: 'WARN' })

  return {
    spec: {
      name: 'trino',
      command: program.java,
      args: [
        ...javaFlags,
        `-Djava.io.tmpdir=${temporary}`,
        `-Dconfig=${configFile}`,
        `-Dlog.levels-file=${levelsFile}`,
        '-cp',
        join(program.home, 'lib', '*'),
        'io.trino.server.TrinoServer',
      ],
      env: { [secretVariable]: objectStore.secretKey },
      ready: () => isReady(server),
      readySeconds,
    },
    info: { server, catalog },
  }
}

/** As its own launcher starts it, but for a small heap and for code that is compiled soon rather than well: half the work of a start. */
const javaFlags: readonly string[] = [
  '-Xmx2G',
  '-XX:TieredStopAtLevel=1',
  '-XX:+ExitOnOutOfMemoryError',
  '-XX:+EnableDynamicAgentLoading',
  '-Djdk.attach.allowAttachSelf=true',
  '--add-modules=jdk.incubator.vector',
  '--sun-misc-unsafe-memory-access=allow',
  '--enable-native-access=ALL-UNNAMED',
  '-Dfile.encoding=UTF-8',
]

/** Rejects until the server has started, which it says, and has a node for the work of queries, which it does not say. */
async function isReady(server: string): Promise<void> {
  const response = await fetch(`${server}/v1/info`, { signal: AbortSignal.timeout(requestTimeoutMilliseconds) })
  const body = await response.text()
  if (!response.ok || !/"starting":\s*false/.test(body)) {
    throw new Error(`${server}/v1/info answers ${response.status}: ${body.slice(0, 200)}`)
  }
  await trino({ server, user: 'blasty', patienceMillis: 0 }).rows('SELECT count(*) FROM TABLE(sequence(1, 2))')
}

async function writeProperties(file: string, properties: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  await writeFile(file, lines.join(''), { mode: 0o600 })
}
