/** Events (events.k8s.io/v1) for people who look at an object: aggregated, rate-limited, and never in the way. */

import type { KubeClient } from './client.ts'
import { type Cancel, type Clock, type Random, TokenBucket } from './clock.ts'
import { defineKind, type Key, type KubeObject, keyFor } from './kind.ts'

export interface EventInput {
  readonly type: 'Normal' | 'Warning'
  /** CamelCase. */
  readonly reason: string
  /** What was being done, CamelCase: `Reconcile`, `Delete`. */
  readonly action: string
  /** For people; cut at 1,024 bytes' worth of characters. */
  readonly note: string
}

export interface EventRecorderOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  /** The controller's name, such as `example.com/operator`. */
  readonly reportingController: string
  /** This process, such as the pod's name. */
  readonly reportingInstance: string
  /** An event that could not be written, or was one too many. */
  readonly onDrop: (reason: 'Full' | 'Failed', error?: unknown) => void
  /** Writes a second, and at once. Default 10 and 50. */
  readonly rate?: { readonly perSecond: number; readonly burst: number }
}

export const events = defineKind({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
})

/** One thing that happened to one object, once or more often. */
interface Series {
  readonly id: string
  readonly regarding: KubeObject
  readonly input: EventInput
  readonly firstAt: number
  /** Name and namespace of the event; undefined until it was written. */
  stored: Key | undefined
  count: number
  lastAt: number
  pending: boolean
}

const maxSeries = 1_000
const maxPending = 1_000
/** Occurrences further apart are events of their own. */
const seriesMs = 6 * 60_000
/** A running series is written again at most this often. */
const repeatMs = 30_000

export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #bucket: TokenBucket
  readonly #series = new Map<string, Series>()
  readonly #pending: Series[] = []
  readonly #timers = new Set<Cancel>()
  #writing = false
  #closed = false

  constructor(options: EventRecorderOptions) {
    this.#options = options
    this.#bucket = new TokenBucket(options.clock, options.rate ?? { perSecond: 10, burst: 50 })
  }

  /** Writes the event some time soon. Returns at once, never throws. The same event again becomes a count. */
  record(regarding: KubeObject, input: EventInput): void {
    if (this.#closed) return
    const now = this.#options.clock.now()
    const id = JSON.stringify([regarding.metadata.uid, input.type, input.reason, input.action, input.note])
    const known = this.#series.get(id)
    if (known !== undefined && now - known.lastAt < seriesMs) {
      known.count += 1
      known.lastAt = now
      if (!known.pending) this.#later(known)
      return
    }
    const series = { id, regarding, input, firstAt: now, stored: undefined, count: 1, lastAt: now, pending: false }
    this.#remember(series)
    this.#enqueue(series)
  }

  /** Drops what is not written yet. */
  close(): void {
    this.#closed = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#pending.length = 0
  }

  #remember(series: Series): void {
    this.#series.delete(series.id)
    this.#series.set(series.id, series)
    for (const [id] of this.#series) {
      if (this.#series.size <= maxSeries) break
      this.#series.delete(id)
    }
  }

  #later(series: Series): void {
    series.pending = true
    this.#after(repeatMs, () => this.#enqueue(series))
  }

  #enqueue(series: Series): void {
    if (this.#pending.length >= maxPending) {
      series.pending = false
      this.#options.onDrop('Full')
      return
    }
    series.pending = true
    this.#pending.push(series)
    if (!this.#writing) this.#writeNext()
  }

  #writeNext(): void {
    const series = this.#pending.shift()
    this.#writing = series !== undefined
    if (series === undefined) return
    this.#after(this.#bucket.reserve(), () => {
      series.pending = false
      this.#write(series)
        .catch((error: unknown) => this.#options.onDrop('Failed', error))
        .finally(() => this.#writeNext())
    })
  }

  #after(ms: number, fn: () => void): void {
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(cancel)
      fn()
    })
    this.#timers.add(cancel)
  }

  async #write(series: Series): Promise<void> {
    const { client } = this.#options
    if (series.stored === undefined) {
      const event = this.#body(series)
      await client.create(events, event, event.metadata.namespace)
      series.stored = keyFor(event.metadata.name, event.metadata.namespace)
      return
    }
    const patch = { series: { count: series.count, lastObservedTime: microTime(series.lastAt) } }
    await client.patch(events, series.stored, patch, { type: 'merge' })
  }

  #body({ regarding, input, firstAt }: Series) {
    const { reportingController, reportingInstance, random } = this.#options
    const { name, namespace, uid, resourceVersion } = regarding.metadata
    const suffix = Math.floor(random() * 2 ** 48).toString(16)
    const { apiVersion, kind } = regarding
    return {
      // An event of what has no namespace is kept in the default one.
      metadata: { name: `${name.slice(0, 200)}.${firstAt.toString(16)}${suffix}`, namespace: namespace ?? 'default' },
      eventTime: microTime(firstAt),
      reportingController,
      reportingInstance,
      type: input.type,
      reason: input.reason.slice(0, 128),
      action: input.action.slice(0, 128),
      note: input.note.slice(0, 500),
      regarding: { apiVersion, kind, name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) },
    }
  }
}

/** metav1.MicroTime. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
