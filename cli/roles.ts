/** Serving a role: what is alike for all of them, from logging to a clean end. */

import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { constants, hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ServerCredentials } from '@grpc/grpc-js'
import { KubeConfig } from '@kubernetes/client-node'
import { pino } from 'pino'
import { startOperator } from '../controllers/operator.ts'
import { bytesOf } from '../engine/sql/memory-watch.ts'
import { startFacade } from '../facade/facade.ts'
import { createMetrics, type Logger, type Metrics, startHealthServer } from '../operator/mod.ts'
import { startWorker } from '../worker/worker.ts'
import { giveWay } from './priority.ts'
import { sqlStatements } from './thread-pool.ts'

export type RoleOptions = {
  /** Kubeconfig file; unset = the usual places, in a pod its service account. */
  readonly kubeconfig?: string
  readonly controllerName: string
  readonly credentialsNamespace: string
  readonly dataDir?: string
  readonly healthAddress: string
  readonly grpcAddress: string
  /** PEM files; both or neither. */
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly sqlMemory: string
  readonly sqlThreads: number
  readonly sqlTableSize: string
  readonly logLevel: string
}

export type RoleName = 'operator' | 'worker' | 'facade'

type Serving = { readonly unready: () => readonly string[]; readonly close: () => Promise<void> }

/** How long a role may take to end before it is cut off, in milliseconds. */
const closeMillis = 25_000

/** Serves the roles until SIGTERM or SIGINT. Resolves when all have ended. */
export async function serve(roles: readonly RoleName[], options: RoleOptions): Promise<void> {
  const log = pino({ level: options.logLevel, base: { role: roles.join('+') } })
  const kubeConfig = new KubeConfig()
  if (options.kubeconfig === undefined) kubeConfig.loadFromDefault()
  else kubeConfig.loadFromFile(options.kubeconfig)
  const ended = endRequested()
  const serving: Serving[] = []
  const [host, port] = splitAddress(options.healthAddress)
  let started = false
  // Where they share processors, who archives and indexes gives way to who answers. That it may not is no reason to end.
  if (roles.every(role => role === 'worker')) {
    try {
      giveWay(constants.priority.PRIORITY_BELOW_NORMAL)
    } catch (error) {
      log.info({ err: error }, 'it does not give way to other processes')
    }
  }
  const metrics = createMetrics()
  const health = await startHealthServer({
    host,
    port,
    registry: metrics.registry,
    unready: () => (started ? serving.flatMap(one => one.unready()) : ['starting']),
  })
  try {
    for (const role of roles) serving.push(await start(role, kubeConfig, options, log, metrics))
    started = true
    log.info({ healthPort: health.port }, 'ready')
    await ended
  } finally {
    const cut = setTimeout(() => {
      log.error({}, 'the end took too long')
      process.exit(1)
    }, closeMillis)
    cut.unref()
    for (const one of serving.reverse()) await one.close()
    await health.close()
  }
}

async function start(
  role: RoleName,
  kubeConfig: KubeConfig,
  options: RoleOptions,
  log: Logger,
  metrics: Metrics,
): Promise<Serving> {
  const { controllerName, credentialsNamespace } = options
  const id = `${hostname()
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .slice(0, 40)}-${randomBytes(4).toString('hex')}`
  const common = { kubeConfig, controllerName, credentialsNamespace, log }
  switch (role) {
    case 'operator': {
      const operator = await startOperator({
        kubeConfig,
        controllerName,
        credentialsNamespace,
        logger: log,
        metrics,
        metricsPort: 0,
        signal: new AbortController().signal,
      })
      return { unready: () => operator.operator.unready(), close: operator.stop }
    }
    case 'worker':
      return startWorker({ ...common, id, dataDirectory: await dataDirectory(options, role) })
    case 'facade': {
      const facade = await startFacade({
        ...common,
        id,
        address: options.grpcAddress,
        credentials: await credentialsOf(options),
        dataDirectory: await dataDirectory(options, role),
        sqlLimits: { memory: options.sqlMemory, threads: options.sqlThreads, statements: sqlStatements },
        embeddedBytes: bytesOf(options.sqlTableSize),
        registry: metrics.registry,
      })
      return facade
    }
  }
}

async function credentialsOf({ tlsCert, tlsKey }: RoleOptions): Promise<ServerCredentials> {
  if (tlsCert === undefined && tlsKey === undefined) return ServerCredentials.createInsecure()
  if (tlsCert === undefined || tlsKey === undefined) throw new Error('--tls-cert and --tls-key belong together')
  const [certificates, privateKey] = await Promise.all([readFile(tlsCert), readFile(tlsKey)])
  return ServerCredentials.createSsl(null, [{ cert_chain: certificates, private_key: privateKey }])
}

async function dataDirectory({ dataDir }: RoleOptions, role: RoleName): Promise<string> {
  const directory = join(dataDir ?? join(tmpdir(), `blasty-${process.pid}`), role)
  await mkdir(directory, { recursive: true })
  return directory
}

function endRequested(): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}

function splitAddress(address: string): [host: string, port: number] {
  const at = address.lastIndexOf(':')
  return [address.slice(0, at), Number(address.slice(at + 1))]
}
