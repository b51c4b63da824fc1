/** The operator core: what a product needs to declare controllers and run them. */
export {
  type Blocked,
  blockedBy,
  type Classify,
  RetryError,
  refused,
  StalledError,
  stalled,
  waiting,
} from './blocked.ts'
export { type CacheReader, type Delta, defineIndex, type Index } from './cache.ts'
export type { Reader } from './caches.ts'
export { type ClientOptions, createClient, type KubeClient } from './client.ts'
export { type Clock, type Random, systemClock } from './clock.ts'
export { type ConditionInput, conditionOf, isTrue } from './conditions.ts'
export {
  type Context,
  type Controller,
  type ControllerSpec,
  defineController,
  type FinalizerSpec,
  mapped,
  type Plan,
  type ReportedCondition,
  type StatusReport,
  specChanged,
  type WatchSource,
} from './controller.ts'
export type { EventInput } from './events.ts'
export {
  type Condition,
  type CustomObject,
  defineKind,
  type Key,
  type Kind,
  type KubeObject,
  keyFor,
  keyOf,
  type ObjectMeta,
  type Reconcilable,
  splitKey,
} from './kind.ts'
export * from './kube-error.ts'
export { type Logger, silentLogger } from './log.ts'
export { createMetrics, type Metrics } from './metrics.ts'
export { createOperator, type Operator, type OperatorOptions } from './operator.ts'
export { type HealthServer, type HealthServerOptions, startHealthServer } from './server.ts'
