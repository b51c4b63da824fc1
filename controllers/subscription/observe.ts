/** How a Subscription's stream and consumer are outside: reads, never writes. */

import { type ConsumerConfig, JetStreamApiError } from '@nats-io/jetstream'
import { reason, type Streams } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'
import type { Subscription } from '../../crds/types.gen.ts'
import { consumerName } from '../../engine/feed/subscription-stream.ts'
import type { SubscriptionReport } from '../../engine/membership/reports.ts'
import type { Backends } from '../backends.ts'
import type { DependentTarget, MadeTable } from '../dependents.ts'
import { judge, type Ownership } from '../marks.ts'
import { lookAtStream, type StreamSeen } from '../streams.ts'

export type SubscriptionProgress = NonNullable<Subscription['status']['progress']>

export type SubscriptionObserved = {
  readonly target: DependentTarget
  readonly made: MadeTable
  readonly stream: { readonly seen: StreamSeen; readonly ownership: Ownership } | undefined
  readonly consumer: ConsumerConfig | undefined
  readonly report: SubscriptionReport | undefined
  readonly workers: number
  readonly progress: SubscriptionProgress | undefined
}

/** `err_code` of the server (JSConsumerNotFoundErr, JSStreamNotFoundErr). */
const notFound = new Set([10014, 10059])

export async function observeSubscription(
  subscription: Subscription,
  made: MadeTable,
  target: DependentTarget,
  { streams, reported }: Backends,
  fold: (current: SubscriptionProgress, urgent: boolean) => SubscriptionProgress,
): Promise<SubscriptionObserved> {
  const [seen, consumer] = await Promise.all([lookAtStream(streams, target.name), lookAtConsumer(streams, target.name)])
  const report = reported.subscription(subscription.metadata.uid)
  const { epoch, revision, delivered } = report ?? {}
  // The first event decides whether a lost stream may be remade, so it is shown at once.
  const first = (delivered ?? 0) > 0 && (subscription.status?.progress?.delivered ?? 0) === 0
  return {
    target,
    made,
    stream: seen && { seen, ownership: judge(`stream ${target.name}`, seen.found, target.mark, target.adoption) },
    consumer,
    report,
    workers: reported.workers,
    progress:
      epoch === undefined || revision === undefined || delivered === undefined
        ? subscription.status?.progress
        : fold({ epoch, revision: String(revision), delivered }, first),
  }
}

async function lookAtConsumer({ admin }: Streams, stream: string): Promise<ConsumerConfig | undefined> {
  try {
    return (await admin.consumers.info(stream, consumerName)).config
  } catch (error) {
    if (error instanceof JetStreamApiError && notFound.has(error.code)) return undefined
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: reason(error) },
      { cause: error },
    )
  }
}
