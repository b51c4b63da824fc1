/** The task queue: on the disk before it is acknowledged, executed in order, kept afterwards. */
import { ApiError, type ErrorBody } from './errors.ts'
import type { Json } from './json.ts'
import type { Row, Store } from './store.ts'

export type TaskType =
  | 'indexCreation'
  | 'indexUpdate'
  | 'indexDeletion'
  | 'indexSwap'
  | 'documentAdditionOrUpdate'
  | 'documentDeletion'
  | 'settingsUpdate'
  | 'taskCancelation'
  | 'taskDeletion'

export type TaskStatus = 'enqueued' | 'processing' | 'succeeded' | 'failed' | 'canceled'

export type Task = {
  uid: number
  batchUid: number | null
  indexUid: string | null
  type: TaskType
  status: TaskStatus
  canceledBy: number | null
  details: { [name: string]: Json }
  error: ErrorBody | null
  enqueuedAt: string
  startedAt: string | null
  finishedAt: string | null
}

/** What a caller hands in: the task and its payload (any JSON text; kept until the task is done). */
export type NewTask = { type: TaskType; indexUid: string | null; details: { [name: string]: Json }; payload: string }

type Waiting = { task: Task; payload: string; resolve: (task: Task) => void; reject: (reason: unknown) => void }

/** Tasks accepted and not yet executed; past it, callers are told to come back. */
const LIMIT = 100_000

const fromRow = (row: Row): Task => ({
  uid: Number(row.uid),
  batchUid: row.batch === null || row.batch === undefined ? null : Number(row.batch),
  indexUid: row.index_uid === null || row.index_uid === undefined ? null : String(row.index_uid),
  type: String(row.type) as TaskType,
  status: String(row.status) as TaskStatus,
  canceledBy: row.canceled_by === null || row.canceled_by === undefined ? null : Number(row.canceled_by),
  details: JSON.parse(String(row.details)),
  error: typeof row.error === 'string' ? JSON.parse(row.error) : null,
  enqueuedAt: String(row.enqueued),
  startedAt: typeof row.started === 'string' ? row.started : null,
  finishedAt: typeof row.finished === 'string' ? row.finished : null,
})

export class TaskQueue {
  readonly #store: Store
  readonly #now: () => string
  #nextUid: number
  #nextBatch: number
  #waiting: Waiting[] = []
  readonly #enqueued: Task[]
  /** Uids being executed now. */
  readonly processing = new Set<number>()
  #wake: () => void = () => {}

  constructor(store: Store, now: () => string) {
    this.#store = store
    this.#now = now
    const last = store.get('select max(uid) as uid, max(batch) as batch from tasks')
    const kept = store.get(`select value from meta where name = 'nextTask'`)
    this.#nextUid = Math.max(Number(last?.uid ?? -1) + 1, Number(kept?.value ?? 0))
    this.#nextBatch = Number(last?.batch ?? -1) + 1
    this.#enqueued = store.all(`select * from tasks where status = 'enqueued' order by uid`).map(fromRow)
  }

  /** Calls `wake` whenever there is something to execute. */
  onWork(wake: () => void): void {
    this.#wake = wake
    if (this.#enqueued.length > 0) wake()
  }

  /** Resolves when the task is on the disk. Tasks that arrive together share one commit. */
  enqueue(given: NewTask): Promise<Task> {
    if (this.#enqueued.length + this.#waiting.length >= LIMIT) {
      return Promise.reject(new ApiError('too_many_search_requests', `More than ${LIMIT} tasks are waiting.`))
    }
    const { payload, ...rest } = given
    const task: Task = {
      ...rest,
      uid: this.#nextUid++,
      batchUid: null,
      status: 'enqueued',
      canceledBy: null,
      error: null,
      enqueuedAt: this.#now(),
      startedAt: null,
      finishedAt: null,
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, payload, resolve, reject })
      if (this.#waiting.length === 1) setImmediate(() => this.#flush())
    })
  }

  #flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    try {
      this.#store.transaction(() => {
        for (const { task, payload } of waiting) {
          this.#store.run(
            'insert into tasks (uid, index_uid, type, status, details, enqueued) values (?, ?, ?, ?, ?, ?)',
            task.uid,
            task.indexUid,
            task.type,
            task.status,
            JSON.stringify(task.details),
            task.enqueuedAt,
          )
          this.#store.run('insert into payloads (uid, body) values (?, ?)', task.uid, payload)
        }
      })
    } catch (thrown) {
      for (const one of waiting) one.reject(thrown)
      return
    }
    for (const one of waiting) {
      this.#enqueued.push(one.task)
      one.resolve(one.task)
    }
    this.#wake()
  }

  /** The tasks to execute next, in order: one, or as many as `joins` puts together with the first. */
  next(joins: (first: Task, next: Task) => boolean): Task[] {
    const [first] = this.#enqueued
    if (!first) return []
    let end = 1
    for (let next = this.#enqueued[end]; next && end < 1000 && joins(first, next); next = this.#enqueued[end]) end++
    const batch = this.#enqueued.splice(0, end)
    const batchUid = this.#nextBatch++
    for (const task of batch) {
      task.status = 'processing'
      task.batchUid = batchUid
      task.startedAt = this.#now()
      this.processing.add(task.uid)
    }
    return batch
  }

  payload(uid: number): string {
    return String(this.#store.get('select body from payloads where uid = ?', uid)?.body ?? 'null')
  }

  /** Writes down that a task is done. Runs inside the transaction that did its work. */
  finish(task: Task, status: 'succeeded' | 'failed', error: ErrorBody | null): void {
    task.finishedAt = this.#now()
    task.error = error
    this.#store.run(
      'update tasks set status = ?, batch = ?, details = ?, error = ?, started = ?, finished = ? where uid = ?',
      status,
      task.batchUid,
      JSON.stringify(task.details),
      error === null ? null : JSON.stringify(error),
      task.startedAt,
      task.finishedAt,
      task.uid,
    )
    this.#store.run('delete from payloads where uid = ?', task.uid)
    task.status = status
  }

  /** Cancels the waiting ones of these tasks. Runs inside a transaction; says how many there were. */
  cancel(uids: ReadonlySet<number>, by: number): number {
    const canceled = this.#enqueued.filter(task => uids.has(task.uid))
    for (const task of canceled) {
      this.#enqueued.splice(this.#enqueued.indexOf(task), 1)
      const now = this.#now()
      this.#store.run(
        `update tasks set status = 'canceled', canceled_by = ?, finished = ? where uid = ?`,
        by,
        now,
        task.uid,
      )
      this.#store.run('delete from payloads where uid = ?', task.uid)
    }
    return canceled.length
  }

  /** Forgets the finished ones of these tasks. Runs inside a transaction; says how many there were. */
  forget(uids: Iterable<number>): number {
    this.#store.run(`insert or replace into meta values ('nextTask', ?)`, String(this.#nextUid))
    let count = 0
    for (const uid of uids) {
      count += this.#store.run(`delete from tasks where uid = ? and status in ('succeeded', 'failed', 'canceled')`, uid)
    }
    return count
  }

  get(uid: number): Task | undefined {
    const row = this.#store.get('select * from tasks where uid = ?', uid)
    return row && this.#seen(fromRow(row))
  }

  /** Tasks whose row meets `where`, newest first unless `reverse`. */
  list(where: string, values: (number | string)[], reverse: boolean, limit: number): Task[] {
    const order = reverse ? 'asc' : 'desc'
    return this.#store
      .all(`select * from tasks where ${where} order by uid ${order} limit ?`, ...values, limit)
      .map(row => this.#seen(fromRow(row)))
  }

  count(where: string, values: (number | string)[]): number {
    return Number(this.#store.get(`select count(*) as n from tasks where ${where}`, ...values)?.n ?? 0)
  }

  /** True while a task of the index is being executed. */
  isIndexing(uid: string): boolean {
    return [...this.processing].some(task => this.get(task)?.indexUid === uid)
  }

  #seen(task: Task): Task {
    return this.processing.has(task.uid) && task.status === 'enqueued' ? { ...task, status: 'processing' } : task
  }
}
