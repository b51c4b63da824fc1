/** Executes tasks in order: many document tasks of one index in one transaction, long ones in slices. */
import { setImmediate } from 'node:timers/promises'
import { ApiError, asApiError, type ErrorBody } from './errors.ts'
import { compileFilter } from './filter.ts'
import { pointOf } from './geo.ts'
import type { Indexes } from './indexes.ts'
import type { Doc, Json } from './json.ts'
import { documentKey, guessPrimaryKey } from './payload.ts'
import type { SearchIndex } from './search-index.ts'
import { applyPatch, defaultSettings, type SettingsPatch } from './settings.ts'
import type { Store } from './store.ts'
import type { Task, TaskQueue } from './tasks.ts'

/** The payload of each kind of task. */
export type Payload =
  | { do: 'put'; docs: Doc[]; merge: boolean; primaryKey: string | null }
  | { do: 'delete'; keys: string[] }
  | { do: 'deleteByFilter'; filter: Json }
  | { do: 'clear' }
  | { do: 'createIndex' | 'updateIndex'; primaryKey: string | null; rename?: string }
  | { do: 'deleteIndex' }
  | { do: 'swap'; swaps: { indexes: [string, string]; rename: boolean }[] }
  | { do: 'settings'; patch: SettingsPatch; reset: boolean }
  | { do: 'cancelTasks' | 'deleteTasks'; uids: number[] }

/** Documents written between two turns of the event loop. */
const SLICE = 1000

const isDocumentTask = (task: Task): boolean =>
  task.type === 'documentAdditionOrUpdate' || (task.type === 'documentDeletion' && task.details.originalFilter === null)

const joins = (first: Task, next: Task): boolean =>
  isDocumentTask(first) && isDocumentTask(next) && first.indexUid === next.indexUid

export class Executor {
  readonly #store: Store
  readonly #queue: TaskQueue
  readonly #indexes: Indexes
  readonly #now: () => string
  readonly #report: (thrown: unknown) => void
  #running: Promise<void> | undefined
  #stopping = false

  constructor(store: Store, queue: TaskQueue, indexes: Indexes, now: () => string, report: (thrown: unknown) => void) {
    this.#store = store
    this.#queue = queue
    this.#indexes = indexes
    this.#now = now
    this.#report = report
  }

  /** Starts executing; from here on every enqueued task is executed. */
  start(): void {
    this.#queue.onWork(() => {
      if (this.#stopping || this.#running) return
      this.#running = this.#run()
        .catch(this.#report)
        .finally(() => {
          this.#running = undefined
        })
    })
  }

  /** Resolves when the slice under way is committed; the rest is executed after the next start. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      const batch = this.#queue.next(joins)
      if (batch.length === 0 || this.#stopping) return
      const [first] = batch
      if (first && isDocumentTask(first)) await this.#executeDocuments(batch)
      else for (const task of batch) this.#executeOne(task)
      for (const task of batch) this.#queue.processing.delete(task.uid)
      await setImmediate()
    }
  }

  /** One task in one transaction; a failure undoes its work and is written down. */
  #executeOne(task: Task): void {
    try {
      this.#store.transaction(() => {
        this.#apply(task, JSON.parse(this.#queue.payload(task.uid)) as Payload)
        this.#queue.finish(task, 'succeeded', null)
      })
    } catch (thrown) {
      this.#fail(task, thrown)
    }
  }

  #fail(task: Task, thrown: unknown): void {
    const error = asApiError(thrown)
    if (error.code === 'internal') {
      this.#report(thrown)
      this.#indexes.load()
    }
    this.#store.transaction(() => this.#finishFailed(task, error.body()))
  }

  #finishFailed(task: Task, error: ErrorBody): void {
    for (const name of ['indexedDocuments', 'deletedDocuments']) if (name in task.details) task.details[name] = 0
    this.#queue.finish(task, 'failed', error)
  }

  async #executeDocuments(batch: Task[]): Promise<void> {
    const remaining = batch.values()
    let task = remaining.next().value
    let work = task && this.#documentWork(task)
    while (task && work) {
      try {
        this.#store.transaction(() => {
          for (let left = SLICE; task && work && left > 0; left--) {
            const step = work.next()
            if (!step.done) continue
            if (step.value) this.#finishFailed(task, step.value)
            else this.#queue.finish(task, 'succeeded', null)
            task = remaining.next().value
            work = task && this.#documentWork(task)
          }
        })
      } catch (thrown) {
        this.#report(thrown)
        this.#indexes.load()
        for (const one of batch) {
          if (this.#queue.get(one.uid)?.finishedAt === null) this.#fail(one, thrown)
        }
        return
      }
      await setImmediate()
      if (this.#stopping) return
    }
  }

  /** Writes or deletes one document a step; returns the error when the task cannot be done at all. */
  *#documentWork(task: Task): Generator<void, ErrorBody | undefined> {
    const uid = task.indexUid ?? ''
    try {
      const payload = JSON.parse(this.#queue.payload(task.uid)) as Payload
      if (payload.do === 'put') yield* this.#put(task, uid, payload)
      else if (payload.do === 'delete') {
        const index = this.#indexes.get(uid)
        let deleted = 0
        for (const key of payload.keys) {
          if (index.delete(key)) deleted++
          yield
        }
        task.details.deletedDocuments = deleted
        this.#changed(index)
      } else {
        task.details.deletedDocuments = this.#indexes.get(uid).clear()
      }
    } catch (thrown) {
      if (thrown instanceof ApiError) return thrown.body()
      throw thrown
    }
    return undefined
  }

  *#put(task: Task, uid: string, payload: Payload & { do: 'put' }): Generator<void> {
    const index = this.#indexes.has(uid) ? this.#indexes.get(uid) : this.#indexes.create(uid, null, this.#now())
    const { record } = index
    if (record.primaryKey !== null && payload.primaryKey !== null && payload.primaryKey !== record.primaryKey) {
      throw new ApiError(
        'index_primary_key_already_exists',
        `Index \`${uid}\` already has a primary key: \`${record.primaryKey}\`.`,
      )
    }
    const [first] = payload.docs
    const primaryKey = record.primaryKey ?? payload.primaryKey ?? (first ? guessPrimaryKey(first) : null)
    if (primaryKey === null) return
    const keys = payload.docs.map(doc => documentKey(doc, primaryKey))
    payload.docs.forEach((doc, i) => {
      if (doc._geo !== undefined) pointOf(doc, keys[i] ?? '')
    })
    record.primaryKey = primaryKey
    for (const [i, doc] of payload.docs.entries()) {
      index.put(keys[i] ?? '', doc, payload.merge)
      yield
    }
    task.details.indexedDocuments = payload.docs.length
    this.#changed(index)
  }

  #changed(index: SearchIndex): void {
    index.record.updatedAt = this.#now()
    index.saveRecord()
  }

  #apply(task: Task, payload: Payload): void {
    const uid = task.indexUid ?? ''
    switch (payload.do) {
      case 'createIndex':
        this.#indexes.create(uid, payload.primaryKey, this.#now())
        return
      case 'updateIndex': {
        const index = this.#indexes.get(uid)
        if (payload.primaryKey !== null) {
          if (index.count > 0 && index.record.primaryKey !== payload.primaryKey) {
            throw new ApiError(
              'index_primary_key_already_exists',
              `Index \`${uid}\`: Index already has a primary key: \`${index.record.primaryKey}\`.`,
            )
          }
          index.record.primaryKey = payload.primaryKey
        }
        this.#changed(index)
        if (payload.rename !== undefined) this.#indexes.rename(uid, payload.rename)
        return
      }
      case 'deleteIndex':
        task.details.deletedDocuments = this.#indexes.delete(uid)
        return
      case 'swap':
        for (const { indexes, rename } of payload.swaps) {
          for (const one of rename ? indexes.slice(0, 1) : indexes) this.#indexes.get(one)
        }
        for (const { indexes, rename } of payload.swaps) {
          if (rename) this.#indexes.rename(indexes[0], indexes[1])
          else this.#indexes.swap(indexes[0], indexes[1])
        }
        return
      case 'settings': {
        const index = this.#indexes.has(uid) ? this.#indexes.get(uid) : this.#indexes.create(uid, null, this.#now())
        index.record.updatedAt = this.#now()
        index.changeSettings(payload.reset ? defaultSettings() : applyPatch(index.settings, payload.patch))
        return
      }
      case 'deleteByFilter': {
        const index = this.#indexes.get(uid)
        const matched = compileFilter(index, payload.filter, 'invalid_document_filter')
        const keys: string[] = []
        for (let doc = 0; doc < index.end; doc++) if (matched[doc] === 1) keys.push(index.keyOf(doc))
        for (const key of keys) index.delete(key)
        task.details.deletedDocuments = keys.length
        this.#changed(index)
        return
      }
      case 'cancelTasks':
        task.details.canceledTasks = this.#queue.cancel(new Set(payload.uids), task.uid)
        return
      case 'deleteTasks':
        task.details.deletedTasks = this.#queue.forget(payload.uids)
        return
      default:
        throw new Error(`a document task out of its batch: ${payload.do}`)
    }
  }
}
