/**
 * What live processes say of themselves and of their work, in a NATS key-value bucket whose entries die with the
 * heartbeat. Workers find each other here, and the operator folds the rest into the status of resources.
 */

import { type KvEntry, Kvm } from '@nats-io/kv'
import { reason, type Streams } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'

export type MemberReport = { readonly kind: 'member'; readonly role: 'worker' | 'facade'; readonly id: string }

/** A facade serves a Table under a schema. */
export type ServedReport = {
  readonly kind: 'served'
  readonly facade: string
  readonly tableUid: string
  readonly schema: number
}

/** How far a Table's log goes. */
export type TableReport = {
  readonly kind: 'table'
  readonly tableUid: string
  readonly revision: number
  readonly bytes: number
}

/** How far a Table's lake has come. Before it was opened, `version` is -1. */
export type LakeReport = {
  readonly kind: 'lake'
  readonly tableUid: string
  readonly worker: string
  readonly epoch: number
  /** The last revision that the lake holds. */
  readonly revision: number
  readonly version: number
  readonly rows: number
  readonly files: number
  readonly bytes: number
  readonly error?: string
  /** True when what was archived is gone. */
  readonly lost?: boolean
}

export type IndexReport = {
  readonly kind: 'index'
  readonly indexUid: string
  readonly worker: string
  readonly epoch: number
  readonly revision: number
  readonly documents: number
  readonly error?: string
}

export type SubscriptionReport = {
  readonly kind: 'subscription'
  readonly subscriptionUid: string
  readonly worker: string
  readonly epoch: number
  readonly revision: number
  readonly delivered: number
  readonly error?: string
}

export type Report = MemberReport | ServedReport | TableReport | LakeReport | IndexReport | SubscriptionReport

export type Reports = {
  /** Says something until it is said otherwise, withdrawn, or this process dies. */
  readonly publish: (report: Report) => Promise<void>
  readonly withdraw: (report: Report) => Promise<void>
  /** What all live processes say now. */
  readonly current: () => readonly Report[]
  /** Told after every change; returns how to stop being told. */
  readonly onChange: (listener: (report: Report, present: boolean) => void) => () => void
  readonly close: () => Promise<void>
}

/** How long a silent process is still believed, in milliseconds. */
export const reportLifeMillis = 15_000
const heartbeatMillis = 5_000

/** Name of the bucket of an installation. */
export const reportsBucket = (installationID: string): string => `blasty_reports_${installationID}`

function keyOf(report: Report): string {
  switch (report.kind) {
    case 'member':
      return `member.${report.role}.${report.id}`
    case 'served':
      return `served.${report.facade}.${report.tableUid}`
    case 'table':
      return `table.${report.tableUid}`
    case 'lake':
      return `lake.${report.tableUid}`
    case 'index':
      return `index.${report.indexUid}`
    case 'subscription':
      return `subscription.${report.subscriptionUid}`
  }
}

export type ReportsOptions = {
  readonly lifeMillis?: number
  readonly heartbeatMillis?: number
  readonly replicas?: number
}

/** Opens the bucket, making it when it is not there. Resolves when what the bucket held at that moment is known. */
export async function openReports(
  streams: Streams,
  installationID: string,
  options: ReportsOptions = {},
): Promise<Reports> {
  const life = options.lifeMillis ?? reportLifeMillis
  const bucket = await new Kvm(streams.client)
    .create(reportsBucket(installationID), {
      ttl: life,
      history: 1,
      replicas: options.replicas ?? 1,
      storage: 'file',
    })
    .catch(error => {
      throw new BlastyError(
        'BACKEND_UNAVAILABLE',
        { backend: 'streams server', problem: reason(error) },
        { cause: error },
      )
    })
  const known = new Map<string, { report: Report; until: number }>()
  const own = new Map<string, Report>()
  const listeners = new Set<(report: Report, present: boolean) => void>()
  const tell = (report: Report, present: boolean) => {
    for (const listener of listeners) listener(report, present)
  }

  const watch = await bucket.watch()
  const ready = Promise.withResolvers<void>()
  if ((await bucket.status()).values === 0) ready.resolve()
  const take = (entry: KvEntry) => {
    const before = known.get(entry.key)
    if (entry.operation === 'PUT') {
      const report = entry.json<Report>()
      known.set(entry.key, { report, until: Date.now() + life })
      if (JSON.stringify(before?.report) !== JSON.stringify(report)) tell(report, true)
    } else if (before) {
      known.delete(entry.key)
      tell(before.report, false)
    }
    if (entry.delta === 0) ready.resolve()
  }
  const watching = (async () => {
    for await (const entry of watch) take(entry)
  })()

  const put = async (report: Report) => {
    await bucket.put(keyOf(report), JSON.stringify(report))
  }
  const beat = setInterval(() => {
    // A heartbeat that fails is made good by the next one; after three, others take this process for dead, rightly.
    for (const report of own.values()) put(report).catch(() => {})
    const now = Date.now()
    for (const [key, { report, until }] of known) {
      if (until >= now) continue
      known.delete(key)
      tell(report, false)
    }
  }, options.heartbeatMillis ?? heartbeatMillis)
  beat.unref()

  await ready.promise
  return {
    publish: async report => {
      own.set(keyOf(report), report)
      await put(report)
    },
    withdraw: async report => {
      own.delete(keyOf(report))
      await bucket.delete(keyOf(report))
    },
    current: () => [...known.values()].map(({ report }) => report),
    onChange: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: async () => {
      clearInterval(beat)
      await Promise.allSettled([...own.keys()].map(key => bucket.delete(key)))
      watch.stop()
      await watching
    },
  }
}
