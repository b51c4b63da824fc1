/** Making the stores of one Table forget rows that were asked to be erased. */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectSearch } from '../backends/search/search.ts'
import { type Demand, orDemand } from '../backends/streams/demand.ts'
import { isBlastyError } from '../base/errors.ts'
import { type Directory, isShownWritten, type ServedTable } from '../directory/directory.ts'
import { indexes, indexesByTable, subscriptions, subscriptionsByTable } from '../directory/kinds.ts'
import { finishErasures } from '../engine/erase/blobs.ts'
import { erasingDemand } from '../engine/erase/demand.ts'
import { type Dependents, type EraseOptions, eraseOnce } from '../engine/erase/erase.ts'
import { type ErasureProof, recentProofs } from '../engine/erase/proof.ts'
import { holdsRecords } from '../engine/log/log.ts'
import type { ErasuresReport } from '../engine/membership/reports.ts'
import { keyFor } from '../operator/mod.ts'
import type { Job } from './jobs.ts'
import { ProgressReporter } from './progress.ts'
import { tableVersion, type WorkerOptions } from './worker.ts'

/** How often a log is looked at in which nobody told of an erasure, in milliseconds. */
const idleMillis = 30_000
/** How long a log with rows is left alone at first unless somebody tells of an erasure: Tables come many at once. */
const restMillis = 3_000
/** How soon a store is asked whether it has come far enough, in milliseconds; each time later than the time before. */
const waitMillis = 1_000
/** How often it is looked whether the time of blobs has come, in milliseconds. */
const blobMillis = 600_000
/** Erasures told of. */
const maxTold = 20

export function eraseJob(
  served: ServedTable,
  directory: Directory,
  { id: worker, log, dataDirectory }: WorkerOptions,
): Job {
  const { table, backends, resource } = served
  const { namespace, name, uid: tableUid } = table.descriptor
  return {
    id: `erase/${tableUid}`,
    version: tableVersion(served),
    run: async signal => {
      const reporter = new ProgressReporter(backends.reports, error =>
        log.warn({ err: error, table: table.log.table }, 'a report could not be written'),
      )
      const known = new Map<string, ErasureProof>()
      const news: News = { wake: () => {} }
      const tell = (error?: string) => {
        if (known.size > 0 || error !== undefined) reporter.tell(reportOf(tableUid, worker, known.values(), error))
      }
      const options: EraseOptions = {
        table,
        scratch: join(dataDirectory, 'erase', namespace, name),
        dependents: () => dependentsOf(served, directory),
        signal,
        onProof: proof => {
          known.set(proof.id, proof)
          tell()
          news.wake()
        },
      }
      const failed = (error: unknown) => {
        if (signal.aborted) return
        log.error({ err: error, table: table.log.table }, 'rows cannot be erased yet, it is tried again')
        tell(isBlastyError(error) ? error.message : 'an internal error; the log of the worker tells more')
      }
      const demand = erasingDemand(table)
      try {
        await pausing(isShownWritten(resource) ? restMillis : idleMillis, signal, demand)
        // Where nobody wrote there is nothing to forget, and the bucket need not be listed for proofs.
        while (!signal.aborted && !(await holdsRecords(table.log))) await pausing(idleMillis, signal, demand)
        for (const proof of await recentProofs(table.lake, maxTold)) known.set(proof.id, proof)
        tell()
        await Promise.all([keepErasing(options, demand, failed, tell), keepFinishing(options, known, news, failed)])
      } finally {
        demand.close()
        await reporter.end()
      }
    },
  }
}

/** Erases whenever there is something to, until the signal is aborted. */
async function keepErasing(
  options: EraseOptions,
  demand: Demand,
  failed: (error: unknown) => void,
  well: () => void,
): Promise<void> {
  const { signal } = options
  let failing = false
  let waits = 0
  while (!signal.aborted) {
    let left = 1
    try {
      left = await eraseOnce(options)
      if (failing) well()
      failing = false
    } catch (error) {
      failing = true
      failed(error)
    }
    waits = left > 0 ? waits + 1 : 0
    await pausing(left > 0 ? Math.min(idleMillis, waitMillis * 1.5 ** (waits - 1)) : idleMillis, signal, demand)
  }
}

/** Until the time is over, somebody asks, or the signal is aborted. */
async function pausing(millis: number, signal: AbortSignal, demand: Demand): Promise<void> {
  const pause = sleep(millis, undefined, { signal }).catch(() => {})
  await orDemand(pause, demand)
}

/** Called when something is new of an erasure. */
type News = { wake: () => void }

/** Completes what waits for blobs, until the signal is aborted. */
async function keepFinishing(
  options: EraseOptions,
  known: ReadonlyMap<string, ErasureProof>,
  news: News,
  failed: (error: unknown) => void,
): Promise<void> {
  const { signal } = options
  const waiting = () => [...known.values()].filter(({ completedTime }) => completedTime === undefined)
  while (!signal.aborted) {
    try {
      if (waiting().length > 0) await finishErasures(options)
    } catch (error) {
      failed(error)
    }
    // One that has just been forgotten elsewhere may need no blob to be collected.
    const soon = waiting().some(({ stores }) => stores.blobs?.state !== 'Waiting' || stores.blobs.until === undefined)
    const pause = sleep(soon ? waitMillis : blobMillis, undefined, { signal }).catch(() => {})
    const heard = new Promise<void>(resolve => {
      news.wake = resolve
    })
    await (soon ? pause : Promise.race([pause, heard]))
  }
}

function dependentsOf({ table, backends }: ServedTable, directory: Directory): Dependents {
  const { namespace, name, uid } = table.descriptor
  const key = keyFor(name, namespace)
  const search = connectSearch({ hosts: [backends.search.host], key: backends.search.key })
  return {
    indexes: directory
      .read(indexes)
      .by(indexesByTable, key)
      .flatMap(({ metadata, status }) => {
        const index = status?.external?.index
        const gone = metadata.deletionTimestamp !== undefined || status?.tableUID !== uid
        return index === undefined || gone ? [] : [{ name: metadata.name, index, search }]
      }),
    subscriptions: directory
      .read(subscriptions)
      .by(subscriptionsByTable, key)
      .flatMap(({ metadata, status }) => {
        const stream = status?.external?.stream
        const gone = metadata.deletionTimestamp !== undefined || status?.tableUID !== uid
        return stream === undefined || gone ? [] : [{ name: metadata.name, stream }]
      }),
  }
}

function reportOf(
  tableUid: string,
  worker: string,
  proofs: Iterable<ErasureProof>,
  error: string | undefined,
): ErasuresReport {
  const newest = [...proofs].sort((a, b) => b.revision - a.revision).slice(0, maxTold)
  return {
    kind: 'erasures',
    tableUid,
    worker,
    erasures: newest.map(({ id, revision, requestedTime, completedTime, keys, stores }) => ({
      id,
      revision,
      requestedTime,
      keys: keys.length,
      stores: Object.entries(stores).map(([store, said]) => ({
        name: store,
        state: said.state,
        ...(said.state === 'Waiting' && {
          reason: said.reason,
          ...(said.until !== undefined && { until: said.until }),
        }),
      })),
      ...(completedTime !== undefined && { completedTime }),
    })),
    ...(error !== undefined && { error }),
  }
}
