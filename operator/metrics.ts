/** What the core counts, for Prometheus. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Run } from './runner.ts'

/** Gauges are read when they are asked for. */
export interface Gauges {
  /** Keys that could run now, by controller. */
  readonly queueDepth: () => Iterable<readonly [controller: string, keys: number]>
  /** Reconciles under way, by controller. */
  readonly running: () => Iterable<readonly [controller: string, keys: number]>
  /** Objects held, by resource. */
  readonly cached: () => Iterable<readonly [resource: string, objects: number]>
}

export interface Metrics {
  readonly registry: Registry
  reconciled(controller: string, result: Run['result'], seconds: number): void
  retried(controller: string): void
  watchStarted(resource: string): void
  watchFailed(resource: string, reason: string): void
  requested(verb: string, resource: string, status: number): void
  eventDropped(reason: string): void
  handlerFailed(resource: string): void
  /** Tells where the gauges read. */
  watch(gauges: Gauges): void
}

/** Metrics in a registry of their own, or in the one given. All names begin with `operator_`. */
export function createMetrics(registry: Registry = new Registry()): Metrics {
  const registers = [registry]
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `operator_${name}`, help, labelNames, registers })
  const gauge = (name: string, help: string, label: string, read: () => Iterable<readonly [string, number]>) =>
    new Gauge({
      name: `operator_${name}`,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset()
        for (const [key, value] of read()) this.set({ [label]: key }, value)
      },
    })
  const reconciles = counter('reconciles_total', 'Reconciles ended, by result', ['controller', 'result'])
  const retries = counter('retries_total', 'Reconciles put off with backoff', ['controller'])
  const watches = counter('watches_total', 'Watches begun', ['resource'])
  const watchFailures = counter('watch_failures_total', 'Lists and watches that failed', ['resource', 'reason'])
  const requests = counter('api_requests_total', 'Requests to the API server', ['verb', 'resource', 'code'])
  const drops = counter('events_dropped_total', 'Events not written', ['reason'])
  const handlers = counter('handler_failures_total', 'Handlers of changes that threw', ['resource'])
  const durations = new Histogram({
    name: 'operator_reconcile_seconds',
    help: 'How long reconciles took',
    labelNames: ['controller'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
    registers,
  })
  return {
    registry,
    reconciled(controller, result, seconds) {
      reconciles.inc({ controller, result })
      durations.observe({ controller }, seconds)
    },
    retried: controller => retries.inc({ controller }),
    watchStarted: resource => watches.inc({ resource }),
    watchFailed: (resource, reason) => watchFailures.inc({ resource, reason }),
    requested: (verb, resource, status) => requests.inc({ verb, resource, code: String(status) }),
    eventDropped: reason => drops.inc({ reason }),
    handlerFailed: resource => handlers.inc({ resource }),
    watch(gauges) {
      gauge('queue_depth', 'Keys waiting for a worker', 'controller', gauges.queueDepth)
      gauge('reconciles_running', 'Reconciles under way', 'controller', gauges.running)
      gauge('cached_objects', 'Objects held in the cache', 'resource', gauges.cached)
    },
  }
}
