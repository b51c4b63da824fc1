/** NATS with JetStream: one server, or three as a cluster. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NatsInfo, Role } from '../info.ts'
import { roles } from '../info.ts'
import { loopback } from '../ports.ts'
import { keptFile, randomSecret } from '../secrets.ts'
import type { ServerSpec } from '../server.ts'
import { answersOk } from './http-ready.ts'
import type { Setting } from './setting.ts'

/** Client, monitoring and cluster port. */
const portsEach = 3

export const natsPortCount = (servers: number): number => servers * portsEach

type Addresses = { readonly client: number; readonly monitor: number; readonly cluster: number }

/** Prepares `count` servers. Their data are in `nats-1`, `nats-2` … of the setting's folder. */
export async function prepareNats(
  setting: Setting,
  count: number,
): Promise<{ readonly specs: ServerSpec[]; readonly info: NatsInfo }> {
  const secrets: Record<string, string> = JSON.parse(
    await keptFile(join(setting.folder, 'nats-users.json'), () =>
      JSON.stringify(Object.fromEntries([...roles, 'cluster'].map(name => [name, randomSecret()]))),
    ),
  )
  const secret = (name: string): string => secrets[name] ?? ''
  const addresses = Array.from({ length: count }, (_, index): Addresses => {
    const [client = 0, monitor = 0, cluster = 0] = setting.ports.slice(index * portsEach)
    return { client, monitor, cluster }
  })
  const specs = await Promise.all(
    addresses.map(async (address, index): Promise<ServerSpec> => {
      const name = `nats-${index + 1}`
      const folder = join(setting.folder, name)
      await mkdir(folder, { recursive: true })
      const file = join(folder, 'nats.conf')
      await writeFile(file, natsConfig(name, folder, address, addresses, secret), { mode: 0o600 })
      return {
        name,
        command: setting.program('nats-server'),
        args: ['--config', file],
        // It reads its streams when it starts, and writes what it knows of their subjects when it stops.
        readySeconds: 600,
        stopSeconds: 120,
        ready: () => answersOk(`http://${loopback}:${address.monitor}/healthz`),
      }
    }),
  )
  const user = (role: Role) => ({ user: role, password: secret(role) })
  return {
    specs,
    info: {
      servers: addresses.map(({ client }) => `nats://${loopback}:${client}`),
      users: { operator: user('operator'), worker: user('worker'), facade: user('facade') },
    },
  }
}

function natsConfig(
  name: string,
  folder: string,
  own: Addresses,
  all: readonly Addresses[],
  secret: (name: string) => string,
): string {
  const users = roles.map(role => `    { user: ${role}, password: "${secret(role)}" }`)
  const lines = [
    `server_name: ${name}`,
    `listen: "${loopback}:${own.client}"`,
    `http: "${loopback}:${own.monitor}"`,
    'jetstream {',
    `  store_dir: "${join(folder, 'jetstream')}"`,
    '  sync_interval: always', // a write acknowledged is on disk
    // Streams reserve their `max_bytes` of this sum when they are made; it is a figure, not space taken.
    '  max_file_store: 100TB',
    '  max_memory_store: 1GB',
    '}',
    'accounts {',
    '  BLASTY {',
    '    jetstream: enabled',
    '    users: [',
    ...users,
    '    ]',
    '  }',
    '}',
  ]
  if (all.length > 1) {
    const routes = all.map(({ cluster }) => `"nats://cluster:${secret('cluster')}@${loopback}:${cluster}"`)
    lines.push(
      'cluster {',
      '  name: blasty',
      `  listen: "${loopback}:${own.cluster}"`,
      `  authorization { user: cluster, password: "${secret('cluster')}" }`,
      `  routes: [${routes.join(', ')}]`,
      '}',
    )
  }
  return `${lines.join('\n')}\n`
}
