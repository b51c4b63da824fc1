/** kubeconfig files. */
import { writeFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import type { ApiAccess } from './api.ts'

/** Writes a kubeconfig (mode 0600) that reaches the apiserver with a bearer token. */
export async function writeKubeconfig(file: string, access: ApiAccess, user: string): Promise<void> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'blasty',
        cluster: {
          server: access.server,
          'certificate-authority-data': Buffer.from(access.ca).toString('base64'),
        },
      },
    ],
    users: [{ name: user, user: { token: access.token } }],
    contexts: [{ name: user, context: { cluster: 'blasty', user } }],
    'current-context': user,
  }
  await writeFile(file, stringify(config), { mode: 0o600 })
}
