/**
 * Group commit: when small writes come faster than the server stores them one by one, those that wait are stored together, as
 * one batch. A batch costs the server about as much as several single messages, whatever it holds, so few writers never share one.
 *
 * Only writes that nothing can refuse by themselves share a batch: without condition, without mutation id. Each stays all or
 * nothing, since the batch is; what it reports as its revision is the batch's end, as for every write.
 */

import { isBlastyError } from '../../base/errors.ts'
import type { Committed, Encoded, WriteOptions } from './writer.ts'

export type Commit = (rows: readonly Encoded[], options: WriteOptions) => Promise<Committed>

type Waiting = {
  readonly rows: readonly Encoded[]
  readonly bytes: number
  readonly options: WriteOptions
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: unknown) => void
}

type Queue = { readonly waiting: Waiting[]; underWay: number }

/** A write of more rows or bytes is a batch worth its own sync. */
const maxSharedRows = 50
const maxSharedBytes = 64 * 1024
const maxGroupRows = 500
const maxGroupBytes = 1024 * 1024
/**
 * Writes and groups that may be under way; what comes on top waits. The server stores one after another, and answers only when it
 * has stored all that came together: more under way wait there, where they can share nothing.
 */
const maxUnderWay = 2
/** Fewer waiting writes than this are stored sooner one by one: a batch takes the disk about five syncs, a write one. */
const minGroup = 6
/** Writes that may wait for a group; what comes on top is stored by itself. */
const maxWaiting = 10_000

/** Wraps `commit`. Records name one principal and schema a batch, so only writes that agree on them share one. */
export function groupCommit(commit: Commit): Commit {
  const queues = new Map<string, Queue>()

  const start = (name: string, queue: Queue) => {
    while (queue.underWay < maxUnderWay && queue.waiting.length > 0) {
      const group = queue.waiting.length < minGroup ? queue.waiting.splice(0, 1) : takeGroup(queue.waiting)
      queue.underWay++
      void store(commit, group).finally(() => {
        queue.underWay--
        if (queue.underWay === 0 && queue.waiting.length === 0) queues.delete(name)
        else start(name, queue)
      })
    }
  }

  return (rows, options) => {
    const bytes = rows.reduce((sum, { body }) => sum + body.length, 0)
    const plain = options.mutationId === undefined && rows.every(({ condition }) => condition === undefined)
    if (!plain || rows.length > maxSharedRows || bytes > maxSharedBytes) return commit(rows, options)
    const name = `${options.schema} ${options.principal}`
    const queue = queues.get(name) ?? { waiting: [], underWay: 0 }
    if (queue.waiting.length >= maxWaiting) return commit(rows, options)
    queues.set(name, queue)
    return new Promise((resolve, reject) => {
      queue.waiting.push({ rows, bytes, options, resolve, reject })
      start(name, queue)
    })
  }
}

/** Takes from the front what fits into one batch. A batch changes a row once, so a second change of one waits. */
function takeGroup(waiting: Waiting[]): Waiting[] {
  const subjects = new Set<string>()
  let rows = 0
  let bytes = 0
  let taken = 0
  for (const write of waiting) {
    rows += write.rows.length
    bytes += write.bytes
    const keyed = write.rows.filter(({ key }) => key !== undefined)
    const fits = rows <= maxGroupRows && bytes <= maxGroupBytes && !keyed.some(({ subject }) => subjects.has(subject))
    if (taken > 0 && !fits) break
    for (const { subject } of keyed) subjects.add(subject)
    taken++
  }
  return waiting.splice(0, taken)
}

/**
 * Stores a group and settles its writes. One that is refused, or whose time ran out before it was sent, is tried write by
 * write: each hears of its own fault alone. What else goes wrong, such as an outcome that nobody knows, holds for all.
 */
async function store(commit: Commit, group: readonly Waiting[]): Promise<void> {
  const [first, second] = group
  if (first === undefined) return
  if (second === undefined) return alone(commit, first)
  try {
    const committed = await commit(
      group.flatMap(({ rows }) => rows),
      first.options,
    )
    let at = committed.first
    for (const { rows, resolve } of group) {
      resolve({ ...committed, first: at, count: rows.length })
      at += rows.length
    }
  } catch (error) {
    const refused = isBlastyError(error, 'LOG_FULL', 'BACKEND_REFUSED')
    const late = first.options.signal.aborted && isBlastyError(error, 'BACKEND_UNAVAILABLE')
    if (refused || late) await Promise.all(group.map(write => alone(commit, write)))
    else for (const { reject } of group) reject(error)
  }
}

async function alone(commit: Commit, { rows, options, resolve, reject }: Waiting): Promise<void> {
  try {
    resolve(await commit(rows, options))
  } catch (error) {
    reject(error)
  }
}
