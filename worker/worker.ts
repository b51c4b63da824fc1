/** The worker role: archives logs, keeps indexes true and routes durable Subscriptions, its share of them among the live workers. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Subscription } from '../crds/types.gen.ts'
import { Directory, isShownWritten, type ServedTable } from '../directory/directory.ts'
import { indexes, indexesByTable, subscriptions, subscriptionsByTable } from '../directory/kinds.ts'
import { type RouterStart, route } from '../engine/feed/router.ts'
import { logState } from '../engine/log/log.ts'
import type { TableReport } from '../engine/membership/reports.ts'
import { parsePredicate, toTest } from '../engine/predicate/predicate.ts'
import { createClient, keyFor, type Logger } from '../operator/mod.ts'
import { blobJob } from './blob-job.ts'
import { eraseJob } from './erase-job.ts'
import { expiryJob } from './expiry-job.ts'
import { indexJob } from './index-job.ts'
import { type Job, Jobs } from './jobs.ts'
import { lakeJob } from './lake-job.ts'
import { Placed } from './placed.ts'
import { ProgressReporter } from './progress.ts'

export type WorkerOptions = {
  readonly kubeConfig: KubeConfig
  /** Unique among live workers. */
  readonly id: string
  readonly controllerName: string
  readonly credentialsNamespace: string
  /** Cache folder of this process alone. */
  readonly dataDirectory: string
  readonly log: Logger
}

export type Worker = {
  readonly unready: () => string[]
  readonly close: () => Promise<void>
}

const tableReportMillis = 10_000
/** A log fuller than this may refuse the next batch. */
const fullShare = 0.95
/** The work is shared out at most this often: changes come in crowds. */
const minShareMillis = 50
const maxShareMillis = 1_000
/** Each time all Tables are gone through, of which there may be many: a pause is so many times as long as that took. */
const sharePauses = 10

/** Starts working; resolves when the first share of the work has been taken. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const client = createClient(options.kubeConfig, { userAgent: 'blasty-worker' })
  const directory = new Directory({ ...options, client, role: 'worker' })
  const jobs = new Jobs(options.log)
  const membership = new Map<object, () => void>()
  let scheduled: NodeJS.Timeout | undefined
  let nextShare = 0
  let placed: Placed | undefined
  let closed = false
  /** Jobs by what they were made from, of which little is new from one sharing to the next. */
  const known: Known = new WeakMap()

  const share = () => {
    scheduled = undefined
    const began = performance.now()
    const now = new Placed(options.id, placed)
    jobs.assign(directory.served().flatMap(served => jobsOf(served, directory, options, now, known)))
    placed = now
    const pause = sharePauses * (performance.now() - began)
    nextShare = began + Math.min(maxShareMillis, Math.max(minShareMillis, pause))
  }
  const shareSoon = () => {
    if (closed) return
    scheduled ??= setTimeout(share, Math.max(0, nextShare - performance.now()))
  }
  directory.onTable((_, served) => {
    const reports = served?.backends.reports
    if (reports !== undefined && !membership.has(reports)) {
      membership.set(
        reports,
        reports.onChange(report => report.kind === 'member' && shareSoon()),
      )
    }
    shareSoon()
  })
  directory.cache(indexes).subscribe(shareSoon)
  directory.cache(subscriptions).subscribe(shareSoon)
  await directory.start()
  clearTimeout(scheduled)
  share()
  return {
    unready: () => directory.unready(),
    close: async () => {
      closed = true
      clearTimeout(scheduled)
      for (const stop of membership.values()) stop()
      await jobs.close()
      await directory.close()
      await client.close()
    },
  }
}

/** This worker's share of the work on one Table. */
function jobsOf(
  served: ServedTable,
  directory: Directory,
  options: WorkerOptions,
  placed: Placed,
  known: Known,
): Job[] {
  const { namespace, name, uid } = served.table.descriptor
  const key = keyFor(name, namespace)
  const own = known.get(served) ?? ownJobs(served, directory, options)
  known.set(served, own)
  const all = [
    ...own,
    ...directory
      .read(indexes)
      .by(indexesByTable, key)
      .flatMap(index => indexJob(index, served, options) ?? []),
    ...directory
      .read(subscriptions)
      .by(subscriptionsByTable, key)
      .flatMap(one => subscriptionJob(one, served, options) ?? []),
  ]
  return all.filter(({ id, beside = id }) => placed.mine(`${uid} ${beside}`, served.backends.reports))
}

/** What a job on a Table depends on beside its own resource. */
export const tableVersion = ({ table: { descriptor, instance }, backends }: ServedTable): string =>
  `${descriptor.uid} ${descriptor.epoch} ${descriptor.stream} ${instance} ${backends.connectionID}`

type Known = WeakMap<ServedTable, readonly Job[]>

/** The jobs that the Table alone decides: made anew when anything of it changes, since that makes it another object. */
function ownJobs(served: ServedTable, directory: Directory, options: WorkerOptions): readonly Job[] {
  return [
    tableJob(served),
    lakeJob(served, options),
    ...expiryJob(served, options),
    ...(served.table.keyed ? [blobJob(served, options), eraseJob(served, directory, options)] : []),
  ]
}

/** Tells how far a Table's log goes, once it holds more than the announcements of schemas: those the operator made itself. */
function tableJob(served: ServedTable): Job {
  const { table, backends, resource } = served
  const maxBytes = resource.status?.effective?.log?.maxBytes ?? Number.POSITIVE_INFINITY
  return {
    id: `table/${table.descriptor.uid}`,
    version: `${tableVersion(served)} ${maxBytes}`,
    run: async signal => {
      let told: TableReport | undefined
      const rest = () => sleep(tableReportMillis, undefined, { signal }).catch(() => {})
      try {
        // One that was just made has nothing to tell.
        if (!isShownWritten(resource)) await rest()
        while (!signal.aborted) {
          const { last, bytes } = await logState(table.log)
          const full = bytes > fullShare * maxBytes
          const written = told !== undefined || last > table.schemas.current.number
          if (written && (told?.revision !== last || told.full !== full)) {
            told = { kind: 'table', tableUid: table.descriptor.uid, revision: last, bytes, full }
            await backends.reports.publish(told)
          }
          await rest()
        }
      } finally {
        // A report is repeated until it is withdrawn, and would contradict that of the next worker.
        if (told !== undefined) await backends.reports.withdraw(told)
      }
    },
  }
}

function subscriptionJob(
  subscription: Subscription,
  served: ServedTable,
  { id: worker, log }: WorkerOptions,
): Job | undefined {
  const { metadata, spec, status } = subscription
  const stream = status?.external?.stream
  if (stream === undefined || metadata.deletionTimestamp !== undefined) return undefined
  // Its checkpoint counts the revisions of the Table it was made for, not those of another of that name.
  if (status?.tableUID !== served.table.descriptor.uid) return undefined
  const key = keyFor(metadata.name, metadata.namespace)
  return {
    id: `subscription/${metadata.uid}`,
    version: `${tableVersion(served)} ${stream} ${JSON.stringify([spec.where, spec.start])}`,
    run: async signal => {
      const { table, backends } = served
      const where = spec.where ?? ''
      const test = where === '' ? () => true : toTest(await parsePredicate(where, table.schemas.current))
      const reporter = new ProgressReporter(backends.reports, error =>
        log.warn({ err: error, subscription: key }, 'a report could not be written'),
      )
      try {
        await route({
          table,
          stream,
          test,
          start: startOf(spec.start),
          signal,
          onProgress: ({ epoch, revision, delivered }, error) =>
            reporter.tell({
              kind: 'subscription',
              subscriptionUid: metadata.uid,
              worker,
              epoch,
              revision,
              delivered,
              ...(error === undefined ? {} : { error }),
            }),
        })
      } finally {
        await reporter.end()
      }
    },
  }
}

function startOf(start: Subscription['spec']['start']): RouterStart {
  switch (start.from) {
    case 'Revision':
      return { from: 'Revision', revision: start.revision ?? 0 }
    case 'Snapshot':
      return { from: 'Snapshot' }
    default:
      return { from: 'Now' }
  }
}
