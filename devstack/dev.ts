/**
 * `npm run dev`: keeps the servers and the roles up until Ctrl-C and writes `.blasty/dev.json`, which says how to reach them.
 * `--no-roles` leaves the roles out, for whoever starts them by hand; `--trino` starts Trino with the rest instead of when it
 * is first asked for.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { roles as roleNames, type StackInfo, withParts } from './info.ts'
import { serveOnDemand } from './on-demand.ts'
import { type Roles, startRoles } from './roles.ts'
import { startStack, wholeStack } from './stack.ts'
import { writeStackFile } from './stack-file.ts'

const folder = fileURLToPath(new URL('../.blasty', import.meta.url))
const stackFile = join(folder, 'dev.json')
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const options = { roles: { type: 'boolean', default: true }, trino: { type: 'boolean', default: false } } as const
  const { roles: withRoles, trino } = parseArgs({ options, allowNegative: true }).values
  const stopped = stopSignal()
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await using running = new AsyncDisposableStack()
  const stack = running.use(await startStack({ ...wholeStack, trino, folder: join(folder, 'dev') }))
  const onDemand = running.use(await serveOnDemand(stack))
  const rolesFolder = join(stack.info.folder, 'roles')
  const roles = withRoles ? running.use(await startRoles({ stack: stack.info, folder: rolesFolder })) : undefined
  running.defer(() => rm(stackFile, { force: true }))
  await writeStackFile(stackFile, { ...stack.info, onDemand: onDemand.info, ...(roles && { grpc: roles.grpc }) })
  process.stdout.write(summary(stack.info, roles))
  const alive = setInterval(() => {}, 60_000) // servers do not keep this process running
  await stopped
  clearInterval(alive)
  process.stdout.write('stopping\n')
}

/** Resolves at the first signal that asks to stop; a second one ends the process, and its servers with it. */
function stopSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const signal of stopSignals) process.once(signal, () => resolve())
  return promise
}

function summary(info: StackInfo, roles: Roles | undefined): string {
  const { nats, objectStore, search, kubernetes, trino } = withParts(
    info,
    'nats',
    'objectStore',
    'search',
    'kubernetes',
  )
  const here = (path: string): string => relative(process.cwd(), path)
  const roleLines = roles === undefined ? [] : [['Facade', roles.grpc, 'gRPC with reflection, without TLS']]
  const lines = [
    ...roleLines,
    ['Kubernetes', kubernetes.server, `export KUBECONFIG=${kubernetes.kubeconfig}`],
    ['NATS', nats.servers.join(' '), `users ${roleNames.join(', ')}`],
    ['MinIO', objectStore.endpoint, `access key ${objectStore.accessKey}`],
    ['Search', search.host, search.kind === 'meilisearch' ? 'Meilisearch' : 'stand-in with the API of Meilisearch'],
    ['Trino', trino?.server ?? 'on demand', trino ? `catalogue ${trino.catalog}, any user` : 'npm run dev -- --trino'],
    ['Everything', here(stackFile), 'endpoints, credentials, kubeconfigs of the roles'],
    ['Logs', here(info.logs), roles === undefined ? '' : `and ${here(join(info.folder, 'roles'))}`],
    ['Data', here(info.folder), 'kept for the next start; remove the folder to begin anew'],
  ].map(([name = '', address = '', note = '']) => `  ${name.padEnd(12)}${address.padEnd(28)}${note}`.trimEnd())
  const what = roles === undefined ? 'The development servers run.' : 'The development servers and the roles run.'
  return [what, ...lines, 'Ctrl-C stops them.', ''].join('\n')
}
