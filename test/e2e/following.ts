/** Subscribers: a Watch and a Consume that run beside a test and keep what they were told. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { TablePosition } from '../../proto/gen/blasty/v1/common_pb.js'
import {
  type ConsumeRequestSchema,
  type Event,
  EventKind,
  type WatchRequestSchema,
} from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import { type Client, type Json, type Stored, stored } from './client.ts'
import { eventually } from './setting.ts'

export type Told = {
  readonly kind: 'ENTER' | 'UPDATE' | 'LEAVE'
  readonly revision: bigint
  readonly old: Json | undefined
  readonly new: Json | undefined
}

/** Events up to a cursor: the whole of a batch, or of what a `where` lets through of it. */
export type ToldBatch = { readonly events: readonly Told[]; readonly cursor: TablePosition }

export type Following = {
  /** Rows of the snapshot. */
  readonly rows: readonly Stored[]
  readonly batches: readonly ToldBatch[]
  readonly events: () => Told[]
  /** Where one may resume; undefined before `ready`. */
  readonly cursor: () => TablePosition | undefined
  /** What ended it; undefined while it runs. */
  readonly failure: () => unknown
  /** Waits until it is set up and everything before has been told. */
  readonly ready: () => Promise<void>
  readonly until: (what: string, holds: (events: readonly Told[]) => boolean) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Watches until stopped. */
export function follow(client: Client, request: MessageInitShape<typeof WatchRequestSchema>): Following {
  const rows: Stored[] = []
  const batches: ToldBatch[] = []
  const stopping = new AbortController()
  let part: Told[] = []
  let cursor: TablePosition | undefined
  let failure: unknown
  const run = async () => {
    for await (const { message } of client.subscriptions.watch(request, { signal: stopping.signal })) {
      switch (message.case) {
        case 'rows':
          rows.push(...message.value.rows.map(stored))
          break
        case 'events':
          part.push(...message.value.events.map(toldBy))
          if (message.value.cursor === undefined) break
          batches.push({ events: part, cursor: message.value.cursor })
          part = []
          cursor = message.value.cursor
          break
        case 'ready':
        case 'progress':
          cursor = message.value.cursor
      }
    }
    throw new Error('the watch ended without a word')
  }
  const running = run().catch(error => {
    failure = error
  })
  const events = () => batches.flatMap(batch => batch.events)
  const alive = (holds: boolean) => {
    if (!holds && failure !== undefined) throw failure
    return holds
  }
  return {
    rows,
    batches,
    events,
    cursor: () => cursor,
    failure: () => failure,
    ready: async () => {
      await eventually('the watch is ready', () => alive(cursor !== undefined))
    },
    until: async (what, holds) => {
      await eventually(what, () => alive(holds(events())))
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

export function toldBy({ kind, revision, oldRowJson, newRowJson }: Event): Told {
  const row = (text: string | undefined): Json | undefined => (text === undefined ? undefined : JSON.parse(text))
  const kinds = { [EventKind.ENTER]: 'ENTER', [EventKind.UPDATE]: 'UPDATE', [EventKind.LEAVE]: 'LEAVE' } as const
  if (kind === EventKind.UNSPECIFIED) throw new Error('an event of no kind')
  return { kind: kinds[kind], revision, old: row(oldRowJson), new: row(newRowJson) }
}

export type Delivered = Told & { readonly sequence: bigint; readonly attempt: number }

export type Consuming = {
  readonly deliveries: readonly Delivered[]
  readonly failure: () => unknown
  readonly until: (what: string, holds: (deliveries: readonly Delivered[]) => boolean) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Consumes a Subscription until stopped, and acknowledges each delivery. */
export function consume(client: Client, name: string): Consuming {
  const deliveries: Delivered[] = []
  const stopping = new AbortController()
  const requests = outbox<MessageInitShape<typeof ConsumeRequestSchema>>()
  const subscription = { namespace: client.namespace, name }
  requests.push({ message: { case: 'open', value: { subscription, credit: 1000 } } })
  let failure: unknown
  const run = async () => {
    for await (const { message } of client.subscriptions.consume(requests.items, { signal: stopping.signal })) {
      if (message.case !== 'delivery' || message.value.event === undefined) continue
      const { sequence, attempt, event } = message.value
      deliveries.push({ ...toldBy(event), sequence, attempt })
      requests.push({ message: { case: 'ack', value: { sequences: [sequence] } } })
      requests.push({ message: { case: 'credit', value: { deliveries: 1 } } })
    }
    throw new Error('consuming ended without a word')
  }
  const running = run().catch(error => {
    failure = error
    requests.end()
  })
  return {
    deliveries,
    failure: () => failure,
    until: async (what, holds) => {
      await eventually(what, () => {
        const yes = holds(deliveries)
        if (!yes && failure !== undefined) throw failure
        return yes
      })
    },
    stop: async () => {
      stopping.abort()
      requests.end()
      await running
    },
  }
}

/** What is pushed, as it comes, until the end. */
function outbox<T>(): {
  readonly items: AsyncGenerator<T>
  readonly push: (item: T) => void
  readonly end: () => void
} {
  const waiting: T[] = []
  let over = false
  let wake = Promise.withResolvers<void>()
  async function* items() {
    for (;;) {
      yield* waiting.splice(0)
      if (over) return
      if (waiting.length === 0) await wake.promise
      wake = Promise.withResolvers()
    }
  }
  return {
    items: items(),
    push: item => {
      waiting.push(item)
      wake.resolve()
    },
    end: () => {
      over = true
      wake.resolve()
    },
  }
}
