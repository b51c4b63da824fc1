/** From what is observed of a Subscription to what must be done, and its status: pure. */

import type { ConsumerConfig } from '@nats-io/jetstream'
import type { Subscription } from '../../crds/types.gen.ts'
import { subscriptionConsumerConfig, subscriptionStreamConfig } from '../../engine/feed/subscription-stream.ts'
import { type Plan, type ReportedCondition, type StatusReport, stalled } from '../../operator/mod.ts'
import { markMetadata } from '../marks.ts'
import { differences, type StreamSeen, type WantedStream } from '../streams.ts'
import type { SubscriptionObserved } from './observe.ts'

export type SubscriptionAction =
  | { readonly type: 'CreateStream'; readonly config: WantedStream }
  | { readonly type: 'UpdateStream'; readonly seen: StreamSeen['config']; readonly config: WantedStream }
  | { readonly type: 'SetConsumer'; readonly config: WantedConsumer; readonly exists: boolean }

type WantedConsumer = Partial<ConsumerConfig> & { readonly durable_name: string }

export function planSubscription(subscription: Subscription, observed: SubscriptionObserved): Plan<SubscriptionAction> {
  const { made, target, stream, consumer } = observed
  const { tableUID } = subscription.status ?? {}
  const delivered = observed.progress?.delivered ?? 0
  if (tableUID !== undefined && tableUID !== made.table.metadata.uid) {
    const message = `Table ${made.table.metadata.name} was made anew; the events are of the one before: make a new Subscription`
    return stalled('TableReplaced', message, { condition: 'Provisioned' })
  }
  if (stream?.ownership.type === 'foreign') {
    return stalled(stream.ownership.reason, stream.ownership.message, { condition: 'Provisioned' })
  }
  if (stream === undefined && delivered > 0) {
    const message = `stream ${target.name} does not exist; ${delivered} events had been put into it: make a new Subscription`
    return stalled('StreamLost', message, { condition: 'Provisioned' })
  }
  const config = wantedStream(observed)
  const actions: SubscriptionAction[] = []
  if (stream === undefined) actions.push({ type: 'CreateStream', config })
  else if (stream.ownership.type === 'adoptable' || differences(stream.seen.config, config).length > 0) {
    actions.push({ type: 'UpdateStream', seen: stream.seen.config, config })
  }
  const wanted = wantedConsumer(subscription, observed)
  if (!fits(consumer, wanted)) actions.push({ type: 'SetConsumer', config: wanted, exists: consumer !== undefined })
  return actions
}

/** As large as its Table's log, and as safe. */
function wantedStream({ target, made }: SubscriptionObserved): WantedStream {
  const { maxBytes = 2 ** 30, replicas = 1 } = made.table.status?.effective?.log ?? {}
  return subscriptionStreamConfig({ stream: target.name, maxBytes, replicas, metadata: markMetadata(target.mark) })
}

function wantedConsumer({ spec }: Subscription, { target }: SubscriptionObserved): WantedConsumer {
  const { ackWaitSeconds, maxDeliver } = spec.consumer
  return subscriptionConsumerConfig({ stream: target.name, ackWaitSeconds, maxDeliver })
}

function fits(consumer: ConsumerConfig | undefined, wanted: WantedConsumer): boolean {
  const actual = new Map<string, unknown>(Object.entries(consumer ?? {}))
  return consumer !== undefined && Object.entries(wanted).every(([field, value]) => actual.get(field) === value)
}

export function subscriptionStatus(subscription: Subscription, observed: SubscriptionObserved): StatusReport {
  const { target, made, progress } = observed
  const { external, tableUID } = subscription.status ?? {}
  const provisioned = provisionedCondition(subscription, observed)
  const done = provisioned.status === 'True'
  const running = runningCondition(observed)
  return {
    conditions: [provisioned, running],
    fields: {
      ...(done ? { external: { stream: target.name } } : external && { external }),
      ...(done ? { tableUID: made.table.metadata.uid } : tableUID && { tableUID }),
      ...(progress && { progress }),
    },
    ...(running.status === 'True' ? {} : { afterSeconds: 30 }),
  }
}

function provisionedCondition(subscription: Subscription, observed: SubscriptionObserved): ReportedCondition {
  const type = 'Provisioned'
  const plan = planSubscription(subscription, observed)
  if ('blocked' in plan) return { type, status: 'False', reason: plan.reason, message: plan.message }
  const { name } = observed.target
  return plan.length > 0
    ? {
        type,
        status: 'False',
        reason: 'Creating',
        message: `stream ${name} and its consumer are not as they must be yet`,
      }
    : { type, status: 'True', reason: 'Created', message: `stream ${name} and its consumer are there` }
}

function runningCondition({ report, workers }: SubscriptionObserved): ReportedCondition {
  const type = 'Running'
  if (report?.error !== undefined) return { type, status: 'False', reason: 'RouterFailed', message: report.error }
  if (report !== undefined) return { type, status: 'True', reason: 'Running', message: 'changes are being delivered' }
  return workers === 0
    ? { type, status: 'False', reason: 'NoWorker', message: 'no worker is running' }
    : { type, status: 'False', reason: 'NotStarted', message: 'no worker has taken the Subscription up yet' }
}
