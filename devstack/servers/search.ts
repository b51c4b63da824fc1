/** The search server: a Meilisearch that runs already, one found on PATH, or the stand-in with the same HTTP API. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DevConfig } from '../config.ts'
import { findOnPath } from '../find.ts'
import type { SearchInfo } from '../info.ts'
import { loopback } from '../ports.ts'
import { keptFile, randomSecret } from '../secrets.ts'
import type { ServerSpec } from '../server.ts'
import { answersOk } from './http-ready.ts'
import type { Setting } from './setting.ts'

export const searchPortCount = 1

/** Prepares the server; `spec` is absent when the environment names one that runs already. */
export async function prepareSearch(
  setting: Setting,
  config: DevConfig,
): Promise<{ readonly spec?: ServerSpec; readonly info: SearchInfo }> {
  if (config.meilisearch !== undefined) {
    return { info: { host: config.meilisearch.url, key: config.meilisearch.key, kind: 'meilisearch' } }
  }
  const [port] = setting.ports
  const key = await keptFile(join(setting.folder, 'search-key'), randomSecret)
  const folder = join(setting.folder, 'search')
  await mkdir(folder, { recursive: true })
  const host = `http://${loopback}:${port}`
  const ready = (): Promise<void> => answersOk(`${host}/health`)
  const meilisearch = await findOnPath('meilisearch', config.path)
  if (meilisearch !== undefined) {
    const args = ['--http-addr', `${loopback}:${port}`, '--db-path', join(folder, 'data.ms'), '--no-analytics']
    const env = { MEILI_MASTER_KEY: key, MEILI_DUMP_DIR: join(folder, 'dumps') }
    return {
      spec: { name: 'search', command: meilisearch, args, env, ready },
      info: { host, key, kind: 'meilisearch' },
    }
  }
  const script = fileURLToPath(new URL('../search/server.ts', import.meta.url))
  const args = [script, '--port', String(port), '--db', join(folder, 'search.db'), '--master-key', key]
  return { spec: { name: 'search', command: process.execPath, args, ready }, info: { host, key, kind: 'stand-in' } }
}
