/** The operator role: all controllers on one operator core, with their connections to the backends. */

import type { KubeConfig } from '@kubernetes/client-node'
import {
  createClient,
  createMetrics,
  createOperator,
  type HealthServer,
  type Logger,
  type Metrics,
  type Operator,
  startHealthServer,
  systemClock,
} from '../operator/mod.ts'
import { accessPolicyController } from './access-policy/controller.ts'
import { backendClassController } from './backend-class/controller.ts'
import { BackendPool } from './backends.ts'
import { connectBackends } from './connect.ts'
import { classify } from './faults.ts'
import { indexController } from './index/controller.ts'
import { News } from './news.ts'
import { ProgressFold } from './progress.ts'
import { subscriptionController } from './subscription/controller.ts'
import { tableController } from './table/controller.ts'

export const defaultControllerName = 'blasty.dev/main'

export type OperatorRoleOptions = {
  readonly kubeConfig: KubeConfig
  /** Only BackendClasses of this `controllerName`, and what uses them, are served. */
  readonly controllerName: string
  /** Namespace of the Secrets that classes name. */
  readonly credentialsNamespace: string
  /** Port of /metrics, /healthz and /readyz; 0 takes a free one. */
  readonly metricsPort: number
  /** Address it listens on; in a pod 0.0.0.0. */
  readonly metricsHost?: string
  /** Gives up waiting for the API server while starting. */
  readonly signal: AbortSignal
  readonly logger: Logger
  /** Where its figures go; metrics of its own when unset. */
  readonly metrics?: Metrics
  /** Reconciles at once, of each kind. */
  readonly concurrency?: number
  /** Seconds after which each resource is looked at again, to see what changed outside. */
  readonly resyncSeconds?: number
}

/** When reports of many facades come within moments of one another, one look outside does for all: at most this old. */
const freshMillis = (resyncSeconds: number): number => Math.min(5_000, resyncSeconds * 100)

export type OperatorRole = {
  readonly operator: Operator
  readonly port: number
  /** Takes no new work, finishes what is under way, closes the connections. */
  readonly stop: () => Promise<void>
}

/** Finished work of this long is waited for when stopping, in milliseconds. */
const graceMillis = 20_000

/** Starts the operator; resolves when it has listed everything and works. Rejects with the reason of `signal`. */
export async function startOperator(options: OperatorRoleOptions): Promise<OperatorRole> {
  const { kubeConfig, controllerName, credentialsNamespace, logger, resyncSeconds = 60 } = options
  const metrics = options.metrics ?? createMetrics()
  const client = createClient(kubeConfig, { userAgent: 'blasty-operator', onRequest: metrics.requested })
  let news: News | undefined
  const pool = new BackendPool({
    credentialsNamespace,
    client,
    connect: connectBackends,
    onReport: (report, present) => news?.take(report, present),
    onReplaced: () => news?.renew(),
    onError: error => logger.warn({ err: error }, 'a connection to a backend did not close well'),
    clock: systemClock,
  })
  const progress = new ProgressFold()
  const setting = { pool, progress, controllerName }
  const operator = createOperator({
    client,
    metrics,
    log: logger,
    name: 'blasty.dev/operator',
    annotations: { paused: 'blasty.dev/paused', abandon: 'blasty.dev/abandon' },
    controllers: [
      backendClassController({ pool, controllerName }),
      tableController({ ...setting, freshMillis: freshMillis(resyncSeconds) }),
      indexController(setting),
      subscriptionController(setting),
      accessPolicyController,
    ],
    classify,
    concurrency: options.concurrency ?? 16,
    resyncSeconds,
  })
  news = new News(operator, systemClock)
  let health: HealthServer | undefined
  const stop = async () => {
    await operator.stop(graceMillis)
    news?.close()
    await pool.close()
    await health?.close()
    await client.close()
  }
  try {
    health = await startHealthServer({
      port: options.metricsPort,
      ...(options.metricsHost === undefined ? {} : { host: options.metricsHost }),
      registry: metrics.registry,
      unready: () => operator.unready(),
    })
    await operator.start(options.signal)
    return { operator, port: health.port, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
