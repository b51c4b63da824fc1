/** MinIO on four folders as drives, which gives it erasure coding. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectStoreInfo } from '../info.ts'
import { loopback } from '../ports.ts'
import { keptFile, randomSecret } from '../secrets.ts'
import type { ServerSpec } from '../server.ts'
import { answersOk } from './http-ready.ts'
import type { Setting } from './setting.ts'

export const objectStorePortCount = 2 // S3 and the console

const accessKey = 'blasty'
const region = 'us-east-1'

/** Prepares the server. All roles share the root credentials. */
export async function prepareObjectStore(
  setting: Setting,
): Promise<{ readonly spec: ServerSpec; readonly info: ObjectStoreInfo }> {
  const [port, consolePort] = setting.ports
  const folder = join(setting.folder, 'object-store')
  await mkdir(folder, { recursive: true })
  const secretKey = await keptFile(join(setting.folder, 'object-store-secret'), randomSecret)
  const endpoint = `http://${loopback}:${port}`
  return {
    spec: {
      name: 'object-store',
      command: setting.program('minio'),
      args: [
        'server',
        '--address',
        `${loopback}:${port}`,
        '--console-address',
        `${loopback}:${consolePort}`,
        join(folder, 'drive{1...4}'),
      ],
      env: {
        MINIO_ROOT_USER: accessKey,
        MINIO_ROOT_PASSWORD: secretKey,
        MINIO_REGION: region,
        MINIO_CI_CD: '1', // lets four folders of one disk stand for four drives
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
      ready: () => answersOk(`${endpoint}/minio/health/cluster`),
    },
    info: { endpoint, region, accessKey, secretKey },
  }
}
