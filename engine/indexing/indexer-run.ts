/**
 * One run of an indexer, until something fails: the changes are read, batches are sent, and what the server did is confirmed, side by side.
 *
 * A batch ends with the progress document. It claims the batch's own revision only when it is sent alone and everything
 * before it is confirmed; one that is sent while others are under way claims what was confirmed by then. So the progress
 * never claims what a failed task left out, and whoever goes on from it sends all of that again.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskNumber } from '../../backends/search/search.ts'
import { BlastyError } from '../../base/errors.ts'
import type { ChangeBatch } from '../replica/change.ts'
import type { TableReplica } from '../replica/replica.ts'
import { Condition } from './condition.ts'
import { documentWriter, type WriteDocument } from './document.ts'
import type { IndexerJob } from './indexer.ts'
import { type IndexLayout, idAttribute, indexLayout } from './layout.ts'
import { Pending, type PendingBatch } from './pending.ts'
import { type Progress, progressLine, readProgress } from './progress.ts'
import { indexOf } from './take-over.ts'

/** Longest text of one request, in UTF-16 code units; a server takes 100 MB unless told otherwise. */
const maxPayload = 16 * 1024 * 1024

type Sent = { readonly tasks: readonly TaskNumber[]; readonly revision: number }

export class IndexerRun {
  readonly #job: IndexerJob
  readonly #write: WriteDocument
  readonly #start: Progress
  readonly #pending: Pending
  readonly #condition = new Condition()
  readonly #underWay: Sent[] = []
  #claimed: number
  #confirmed: number
  #documents = 0
  /** Number of the newest schema that the layout was held against. */
  #learned = 0

  /** Goes on behind `progress`, which is in the index in the job's name. */
  constructor(job: IndexerJob, layout: IndexLayout, progress: Progress) {
    this.#job = job
    this.#write = documentWriter(layout)
    this.#start = progress
    this.#pending = new Pending(progress.revision, job.limits)
    this.#claimed = progress.revision
    this.#confirmed = progress.revision
  }

  /** Ends when the job's signal is aborted; throws what stopped it otherwise. */
  async run(): Promise<void> {
    const failed = new AbortController()
    const signal = AbortSignal.any([this.#job.signal, failed.signal])
    const loops = [this.#read(signal), this.#send(signal), this.#confirm(signal), this.#check(signal)]
    for (const loop of loops) loop.catch(error => failed.abort(error))
    await Promise.allSettled(loops)
    if (failed.signal.aborted && !this.#job.signal.aborted) throw failed.signal.reason
    await this.#handOver()
  }

  async #read(signal: AbortSignal): Promise<void> {
    await this.#tell()
    const replica = await this.#job.replica(signal)
    const after = this.#start.revision === 0 ? await this.#fill(replica, signal) : this.#start.revision
    for await (const batch of replica.source.changes(after, signal)) {
      await this.#condition.until(() => !this.#pending.full, signal)
      await this.#learn(batch.schema, signal)
      this.#add(batch)
      this.#condition.changed()
    }
  }

  /** Takes in the rows as they are at one moment; returns the revision of that. */
  async #fill(replica: TableReplica, signal: AbortSignal): Promise<number> {
    const { codec, current } = this.#job.schemas
    await this.#learn(current.number, signal)
    const snapshot = replica.snapshot()
    try {
      for (const { key, row } of snapshot.rows()) {
        if (this.#pending.full) {
          this.#condition.changed()
          await this.#condition.until(() => !this.#pending.full, signal)
        }
        this.#pending.put({ key, revision: row.revision, row: row.row(codec) }, row.body.length)
      }
    } finally {
      snapshot.close()
    }
    this.#pending.reached(snapshot.revision)
    this.#condition.changed()
    return snapshot.revision
  }

  /** Takes up a newer schema. The columns in use keep their form, unless one was retired. */
  async #learn(number: number, signal: AbortSignal): Promise<void> {
    const { schemas, spec, index } = this.#job
    if (number <= this.#learned) return
    this.#learned = number
    const layout = indexLayout(spec, await schemas.until(signal).reach(number))
    if (layout.fingerprint !== this.#start.layout) throw changed(index, 'its documents have another form now')
  }

  #add(batch: ChangeBatch): void {
    const { codec } = this.#job.schemas
    for (const { key, new: next } of batch.changes) {
      if (next === undefined) this.#pending.delete(key)
      else this.#pending.put({ key, revision: next.revision, row: next.row(codec) }, next.body.length)
    }
    this.#pending.reached(batch.revision)
  }

  async #send(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#condition.until(() => this.#worthSending(), signal)
      const batch = this.#pending.take()
      this.#condition.changed()
      const alone = this.#underWay.length === 0
      const claimed = alone ? batch.revision : this.#confirmed
      this.#underWay.push({ tasks: await this.#sendBatch(batch, claimed, alone, signal), revision: batch.revision })
      this.#claimed = claimed
      this.#condition.changed()
    }
  }

  /** One batch at a time takes up what came meanwhile; several at once only pay when full ones are waiting. */
  #worthSending(): boolean {
    const { waiting, full } = this.#pending
    if (this.#underWay.length === 0) return waiting || full || this.#claimed < this.#confirmed
    return full && this.#underWay.length < this.#job.limits.batchesInFlight
  }

  /** Sends the deletes, the documents and the progress, in that order, and returns the tasks. */
  async #sendBatch(
    { deletes, puts }: PendingBatch,
    claimed: number,
    alone: boolean,
    signal: AbortSignal,
  ): Promise<readonly TaskNumber[]> {
    const { search, index } = this.#job
    const tasks: TaskNumber[] = []
    if (deletes.length > 0) tasks.push(await search.deleteDocuments(index, deletes))
    let lines: string[] = []
    let size = 0
    for (const { key, revision, row } of puts) {
      const line = this.#write(key, revision, row)
      if (size + line.length > maxPayload && lines.length > 0) {
        tasks.push(await search.addDocuments(index, lines.join('\n'), idAttribute))
        lines = []
        size = 0
      }
      lines.push(line)
      size += line.length
    }
    // What the progress claims must have been done, not only asked for.
    if (alone) for (const task of tasks) await search.taskDone(index, task, signal)
    signal.throwIfAborted()
    lines.push(this.#progress(claimed))
    tasks.push(await search.addDocuments(index, lines.join('\n'), idAttribute))
    return tasks
  }

  #progress(revision: number, instance = this.#job.instance): string {
    return progressLine({ ...this.#start, revision, instance })
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    const { search, index } = this.#job
    for (;;) {
      await this.#condition.until(() => this.#underWay.length > 0, signal)
      const [sent] = this.#underWay
      if (sent === undefined) continue
      for (const task of sent.tasks) await search.taskDone(index, task, signal)
      await this.#sameIndex()
      this.#confirmed = sent.revision
      this.#underWay.shift()
      this.#condition.changed()
      await this.#tell()
    }
  }

  /** The server makes an index anew for documents sent to one that was deleted. */
  async #sameIndex(): Promise<void> {
    const { createdAt } = await indexOf(this.#job)
    if (createdAt !== this.#start.createdAt) throw changed(this.#job.index, 'it was made anew')
  }

  async #check(signal: AbortSignal): Promise<void> {
    const { search, index, instance, limits } = this.#job
    for (;;) {
      await sleep(limits.checkMillis, undefined, { signal })
      await this.#sameIndex()
      const progress = await readProgress(search, index)
      if (progress === undefined) throw changed(index, 'its progress document is gone')
      if (progress.instance !== instance) throw changed(index, 'another indexer wrote to it')
      await this.#tell()
    }
  }

  /** Counts only when there is nothing better to do. */
  async #tell(): Promise<void> {
    const { search, index, log, onProgress } = this.#job
    const busy = this.#underWay.length > 0 || this.#pending.waiting
    if (!busy) this.#documents = Math.max(0, (await search.documentCount(index)) - 1)
    const revision = this.#confirmed
    onProgress({ epoch: log.epoch, revision, documents: this.#documents, filled: revision >= this.#start.filledAt })
  }

  /** Waits for what is under way, then says so in the progress, so that a successor need not wait. */
  async #handOver(): Promise<void> {
    const { search, index, requestMillis } = this.#job
    const signal = AbortSignal.timeout(requestMillis)
    for (const { tasks, revision } of this.#underWay) {
      for (const task of tasks) await search.taskDone(index, task, signal)
      this.#confirmed = revision
    }
    await this.#sameIndex()
    await search.taskDone(
      index,
      await search.addDocuments(index, this.#progress(this.#confirmed, ''), idAttribute),
      signal,
    )
  }
}

function changed(index: string, reason: string): BlastyError {
  return new BlastyError('INDEX_NOT_READY', { index, reason })
}
