/**
 * What live processes say of themselves and of their work, in a NATS key-value bucket, beside another that holds a
 * heartbeat for each process. Workers find each other here, and the operator folds the rest into the status of resources.
 */

import { randomUUID } from 'node:crypto'
import { JetStreamApiError } from '@nats-io/jetstream'
import { type KV, type KvEntry, Kvm } from '@nats-io/kv'
import { reason, type Streams } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'
import { Believed, type Said } from './believed.ts'

export type MemberReport = {
  readonly kind: 'member'
  readonly role: 'worker' | 'facade'
  readonly id: string
  /** Of a facade: the largest Table, by the bytes of its lake, that it takes in for SQL when nobody says that it must. */
  readonly embeddedBytes?: number
}

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
  /** True when the log has hardly any room left, and refuses what does not fit. */
  readonly full: boolean
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

/** How far the removal of rows that are too old has come. */
export type ExpiryReport = {
  readonly kind: 'expiry'
  readonly tableUid: string
  readonly worker: string
  readonly epoch: number
  /** When the oldest row was committed, as of the last look; unset when there is none, or before the first. */
  readonly oldestTime?: string
  /** Of an append-only Table: rows up to this revision are gone. */
  readonly revision?: number
  readonly error?: string
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

/** How far the stores of a Table are with forgetting what was asked to be erased: the newest erasures. */
export type ErasuresReport = {
  readonly kind: 'erasures'
  readonly tableUid: string
  readonly worker: string
  readonly erasures: readonly {
    readonly id: string
    readonly revision: number
    /** Times are RFC 3339. */
    readonly requestedTime: string
    /** How many. */
    readonly keys: number
    readonly stores: readonly {
      readonly name: string
      readonly state: 'Waiting' | 'Done'
      readonly reason?: string
      readonly until?: string
    }[]
    readonly completedTime?: string
  }[]
  readonly error?: string
}

export type Report =
  | MemberReport
  | ServedReport
  | TableReport
  | LakeReport
  | ExpiryReport
  | IndexReport
  | SubscriptionReport
  | ErasuresReport

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
/**
 * How long the server keeps what is not said again, in milliseconds; it is said again after a third of it. The heartbeat
 * is of the process and not of each report, so that many Tables cost no more than one while nothing changes.
 */
const keepMillis = 1_800_000
/** `err_code` of the server (JSStreamWrongLastSequenceErrF). */
const wrongLastSequence = 10071

/** Names of the buckets of an installation: of reports, and of heartbeats. */
export const reportsBuckets = (installationID: string): { readonly reports: string; readonly alive: string } => ({
  reports: `blasty_said_${installationID}`,
  alive: `blasty_alive_${installationID}`,
})

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
    case 'expiry':
      return `expiry.${report.tableUid}`
    case 'erasures':
      return `erasures.${report.tableUid}`
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

type Own = {
  readonly report: Report
  readonly saidAt: number
  /** The revision of the bucket with which this process last said it, or something else in its place; 0 when another did since. */
  readonly revision: number
}

/** Opens the buckets, making them when they are not there. Resolves when what they held at that moment is known. */
export async function openReports(
  streams: Streams,
  installationID: string,
  options: ReportsOptions = {},
): Promise<Reports> {
  const lifeMillis = options.lifeMillis ?? reportLifeMillis
  const names = reportsBuckets(installationID)
  const [bucket, alive] = await Promise.all([
    openBucket(streams, names.reports, keepMillis, options.replicas),
    openBucket(streams, names.alive, lifeMillis, options.replicas),
  ])
  const session = randomUUID()
  const own = new Map<string, Own>()
  const listeners = new Set<(report: Report, present: boolean) => void>()
  const believed = new Believed({
    lifeMillis,
    keepMillis,
    tell: (report, present) => {
      for (const listener of listeners) listener(report, present)
    },
  })
  const now = () => performance.now()
  /** The next beat says it again. */
  const due = (key: string, mine: Own, revision = mine.revision) =>
    own.set(key, { ...mine, saidAt: Number.NEGATIVE_INFINITY, revision })
  const stored = (key: string, revision: number) => {
    const mine = own.get(key)
    if (mine !== undefined && revision > mine.revision) own.set(key, { ...mine, revision })
  }
  /** Takes back what lies at `revision`, and nothing that another has said since: the next worker of a job, the next connection. */
  const unsay = async (key: string, revision: number) => {
    try {
      await bucket.delete(key, { previousSeq: revision })
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== wrongLastSequence) throw error
    }
  }

  const stops = await Promise.all([
    follow(alive, entry => {
      if (entry.operation === 'PUT') believed.heard(entry.key, now())
      else believed.left(entry.key)
    }),
    follow(bucket, entry => {
      const said = entry.operation === 'PUT' ? entry.json<Said>() : undefined
      if (said === undefined) believed.unsaid(entry.key)
      else believed.said(entry.key, said, now())
      const mine = own.get(entry.key)
      if (said?.by === session) {
        // Stored after it was withdrawn. Where it cannot be taken back, it is believed until this process ends.
        if (mine === undefined) unsay(entry.key, entry.revision).catch(() => {})
        else stored(entry.key, entry.revision)
      } else if (mine !== undefined && entry.revision > mine.revision) {
        // Another said something else, or withdrew it, who thought for a moment that the work was his.
        due(entry.key, mine, 0)
      }
    }),
  ])

  const say = async (key: string, report: Report) => {
    const first = own.size === 0
    own.set(key, { report, saidAt: now(), revision: own.get(key)?.revision ?? 0 })
    try {
      if (first) await alive.put(session, '')
      stored(key, await bucket.put(key, JSON.stringify({ by: session, report } satisfies Said)))
    } catch (error) {
      const mine = own.get(key)
      if (mine?.report === report) due(key, mine)
      throw error
    }
  }
  let beating: Promise<unknown> | undefined
  const beat = async () => {
    await alive.put(session, '')
    const again = [...own].filter(([, { saidAt }]) => saidAt < now() - keepMillis / 3)
    await Promise.all(again.map(([key, { report }]) => say(key, report)))
  }
  const timer = setInterval(() => {
    believed.expire(now())
    // A heartbeat that fails is made good by the next one; after three, others take this process for dead, rightly.
    if (own.size > 0) beating = beat().catch(() => {})
  }, options.heartbeatMillis ?? heartbeatMillis)
  timer.unref()

  return {
    publish: report => say(keyOf(report), report),
    withdraw: async report => {
      const key = keyOf(report)
      const revision = own.get(key)?.revision ?? 0
      own.delete(key)
      // What is still on its way is taken back when it is seen.
      if (revision > 0) await unsay(key, revision)
    },
    current: () => believed.current(),
    onChange: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: async () => {
      clearInterval(timer)
      await beating
      const last = [...own]
      own.clear()
      const unsaid = last.flatMap(([key, { revision }]) => (revision > 0 ? unsay(key, revision) : []))
      if (last.length > 0) await Promise.allSettled([alive.delete(session), ...unsaid])
      await Promise.all(stops.map(stop => stop()))
    },
  }
}

async function openBucket(streams: Streams, name: string, ttl: number, replicas = 1): Promise<KV> {
  try {
    return await new Kvm(streams.client).create(name, { ttl, history: 1, replicas, storage: 'file' })
  } catch (error) {
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: reason(error) },
      { cause: error },
    )
  }
}

/** Hands each entry on, those there are and those to come. Resolves, with how to stop, when the former have been. */
async function follow(bucket: KV, take: (entry: KvEntry) => void): Promise<() => Promise<void>> {
  const watch = await bucket.watch()
  const ready = Promise.withResolvers<void>()
  if ((await bucket.status()).values === 0) ready.resolve()
  const watching = (async () => {
    for await (const entry of watch) {
      take(entry)
      if (entry.delta === 0) ready.resolve()
    }
  })()
  await ready.promise
  return async () => {
    watch.stop()
    await watching
  }
}
