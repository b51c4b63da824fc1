/** Runs controllers: one reflector a kind, one queue and some workers a controller. */
import { hostname } from 'node:os'
import { type Classify, RetryError } from './blocked.ts'
import { Caches, type Reader } from './caches.ts'
import type { KubeClient } from './client.ts'
import { type BackoffOptions, type Clock, type Random, sleep, systemClock } from './clock.ts'
import type { Controller } from './controller.ts'
import { EventRecorder } from './events.ts'
import { type Key, type Kind, resourceName } from './kind.ts'
import { KubeError } from './kube-error.ts'
import { type Logger, silentLogger } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { WorkQueue } from './queue.ts'
import { Reflector, type ReflectorOptions } from './reflector.ts'
import type { Environment, Run } from './runner.ts'

export interface OperatorOptions {
  readonly client: KubeClient
  readonly controllers: readonly Controller[]
  /** Owns status fields and signs events: `example.com/operator`. */
  readonly name: string
  readonly annotations: Environment['annotations']
  /** The product's reading of its own errors. */
  readonly classify?: Classify
  /** Reconciles at once, of each controller. Default 8. */
  readonly concurrency?: number
  /** Each object is looked at again after this many seconds, a tenth more or less, to see drift outside. Default 60. */
  readonly resyncSeconds?: number
  /** A reconcile is told to stop after this many seconds. Default 120. */
  readonly timeoutSeconds?: number
  readonly backoff?: BackoffOptions
  readonly reflector?: Pick<ReflectorOptions<never>, 'pageSize' | 'silenceMs' | 'watchSeconds' | 'backoff'>
  readonly metrics?: Metrics
  readonly log?: Logger
  readonly clock?: Clock
  readonly random?: Random
}

export interface Operator {
  readonly metrics: Metrics
  /** The caches, for others in the process. */
  readonly read: Reader
  /** Begins to list and watch; work begins when every first list is in. Resolves then. Rejects with the reason of `signal`. */
  start(signal?: AbortSignal): Promise<void>
  /** What keeps it from being ready, a line each: for /readyz. */
  unready(): string[]
  /** Has an object looked at now, for news that come from elsewhere than the API server. */
  enqueue(kind: Kind, key: Key): void
  /**
   * Takes no new work, waits for what is under way up to `graceMs` (default 20,000), then aborts it. Steps that do not
   * heed the abort are left behind after five seconds more.
   */
  stop(graceMs?: number): Promise<void>
}

/** How long the steps under way have to heed an abort. */
const abortMs = 5_000

interface Worked {
  readonly controller: Controller
  readonly queue: WorkQueue<Key>
}

/** Puts an operator together; nothing runs before `start`. */
export function createOperator(options: OperatorOptions): Operator {
  const { client, clock = systemClock, random = Math.random, log = silentLogger, metrics = createMetrics() } = options
  const { concurrency = 8, resyncSeconds = 60, timeoutSeconds = 120 } = options
  const watching = new AbortController()
  const working = new AbortController()
  const runs: Promise<void>[] = []
  const reflectors = new Map<string, { readonly lastError: unknown }>()
  let phase: 'new' | 'syncing' | 'running' | 'stopped' = 'new'

  const caches = new Caches((kind, error) => {
    metrics.handlerFailed(resourceName(kind))
    log.error({ err: error, resource: resourceName(kind) }, 'a handler of changes failed')
  })
  const events = new EventRecorder({
    client,
    clock,
    random,
    reportingController: options.name,
    reportingInstance: hostname(),
    onDrop: (reason, error) => {
      metrics.eventDropped(reason)
      if (error !== undefined) log.warn({ err: error }, 'an event could not be written')
    },
  })
  const backoff = options.backoff === undefined ? {} : { backoff: options.backoff }
  const worked: Worked[] = options.controllers.map(controller => ({
    controller,
    queue: new WorkQueue<Key>({ clock, random, ...backoff }),
  }))
  for (const { controller, queue } of worked) {
    const enqueue = (key: Key, first: boolean) => queue.add(key, first ? 'background' : 'event')
    controller.attach(caches, enqueue, () => phase === 'running')
  }
  metrics.watch({
    queueDepth: () => worked.map(({ controller, queue }) => [controller.name, queue.depth] as const),
    running: () => worked.map(({ controller, queue }) => [controller.name, queue.processing] as const),
    cached: () => caches.all().map(cache => [resourceName(cache.kind), cache.size] as const),
  })

  function reflect(): void {
    for (const cache of caches.all()) {
      const resource = resourceName(cache.kind)
      const reflector = new Reflector({
        client,
        cache,
        clock,
        random,
        ...options.reflector,
        onWatch: () => metrics.watchStarted(resource),
        onError: (error, next) => {
          metrics.watchFailed(resource, error instanceof KubeError ? error.reason : 'Unknown')
          log.warn({ err: error, resource, next }, `watching failed, going on with ${next}`)
        },
      })
      reflectors.set(resource, reflector)
      runs.push(reflector.run(watching.signal))
    }
  }

  async function work({ controller, queue }: Worked): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const began = clock.now()
      const run = await runOnce(controller, key)
      metrics.reconciled(controller.name, run.result, (clock.now() - began) / 1000)
      queue.done(key)
      schedule(controller, queue, key, run)
    }
  }

  async function runOnce(controller: Controller, key: Key): Promise<Run> {
    const abort = new AbortController()
    const stop = () => abort.abort(working.signal.reason)
    working.signal.addEventListener('abort', stop)
    const cancel = clock.after(timeoutSeconds * 1000, () =>
      abort.abort(new RetryError('TimedOut', `the reconcile took more than ${timeoutSeconds} s`)),
    )
    try {
      return await controller.run(key, {
        client,
        caches,
        events,
        clock,
        log,
        signal: abort.signal,
        stopping: working.signal,
        fieldManager: options.name,
        annotations: options.annotations,
        ...(options.classify === undefined ? {} : { classify: options.classify }),
      })
    } finally {
      cancel()
      working.signal.removeEventListener('abort', stop)
    }
  }

  function schedule(controller: Controller, queue: WorkQueue<Key>, key: Key, run: Run): void {
    const fields = { controller: controller.name, key, result: run.result }
    if (run.result === 'failed') log.warn({ ...fields, err: run.error }, 'reconcile failed, to be retried')
    else log.debug(fields, 'reconciled')
    switch (run.result) {
      case 'failed':
      case 'waiting':
      case 'changed': {
        metrics.retried(controller.name)
        const asked = 'afterSeconds' in run ? run.afterSeconds : undefined
        // A wait that is asked for is no failure; without one, each look comes later than the last.
        if (run.result === 'waiting' && asked !== undefined) queue.addAfter(key, asked * 1000, 'event')
        else queue.retry(key, (asked ?? 0) * 1000)
        return
      }
      case 'ready':
      case 'refused':
      case 'stalled': {
        queue.forget(key)
        const resyncMs = resyncSeconds * 1000 * (0.9 + 0.2 * random())
        queue.addAfter(key, Math.min(resyncMs, (run.afterSeconds ?? resyncSeconds * 2) * 1000))
        return
      }
      default:
        queue.forget(key)
    }
  }

  /** False when `promise` is still pending after `ms`. */
  async function settledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
    const done = new AbortController()
    void promise.then(() => done.abort())
    await sleep(clock, ms, done.signal)
    return done.signal.aborted
  }

  return {
    metrics,
    read: caches.read,

    async start(signal) {
      if (phase !== 'new') throw new Error('the operator was started before')
      phase = 'syncing'
      reflect()
      await untilAborted(caches.whenSynced(), signal, watching.signal)
      phase = 'running'
      for (const one of worked) for (let n = 0; n < concurrency; n++) runs.push(work(one))
      log.info({ controllers: options.controllers.map(controller => controller.name) }, 'all caches are in, working')
    },

    unready() {
      if (phase === 'running') return []
      if (phase !== 'syncing') return [phase === 'new' ? 'not started' : 'stopping']
      return caches
        .all()
        .filter(cache => !cache.synced)
        .map(({ kind }) => {
          const error = reflectors.get(resourceName(kind))?.lastError
          return `${resourceName(kind)} is not listed yet${error instanceof Error ? `: ${error.message}` : ''}`
        })
    },

    enqueue(kind, key) {
      const name = resourceName(kind)
      for (const { controller, queue } of worked) if (resourceName(controller.kind) === name) queue.add(key)
    },

    async stop(graceMs = 20_000) {
      phase = 'stopped'
      const drained = Promise.all(worked.map(({ queue }) => queue.close()))
      await settledWithin(drained, graceMs)
      working.abort(new Error('the operator stops'))
      watching.abort(new Error('the operator stops'))
      events.close()
      if (await settledWithin(Promise.all([drained, ...runs]), abortMs)) return
      log.error(
        { running: worked.reduce((sum, { queue }) => sum + queue.processing, 0) },
        'some reconciles do not stop',
      )
    },
  }
}

/** Settles as `promise` does, or rejects with the reason of the first signal that aborts. */
function untilAborted<R>(promise: Promise<R>, ...signals: (AbortSignal | undefined)[]): Promise<R> {
  return new Promise((resolve, reject) => {
    const present = signals.filter(signal => signal !== undefined)
    const end = (settle: () => void) => {
      for (const signal of present) signal.removeEventListener('abort', stop)
      settle()
    }
    const stop = () => end(() => reject(present.find(signal => signal.aborted)?.reason))
    for (const signal of present) signal.addEventListener('abort', stop)
    if (present.some(signal => signal.aborted)) stop()
    promise.then(
      value => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    )
  })
}
