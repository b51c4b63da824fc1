/** A change log: what names it, how its stream is configured, and the few single reads that writers need. */

import type { StreamConfig, StreamInfo } from '@nats-io/jetstream'
import { reason, type Streams } from '../../backends/streams/connect.ts'
import { maxBatchMessages } from '../../backends/streams/publish.ts'
import { BlastyError } from '../../base/errors.ts'
import { type BatchPlace, batchPlaceOf, headOf, type RecordHead } from './record.ts'
import { type Subjects, subjectsOf } from './subjects.ts'

/** What a reader or writer must know of a log; the operator publishes it in the Table's status. */
export type LogIdentity = {
  /** `namespace/name`, for messages. */
  readonly table: string
  readonly tableUid: string
  readonly stream: string
  readonly epoch: number
}

export type ChangeLog = LogIdentity & {
  readonly streams: Streams
  readonly subjects: Subjects
}

export function changeLog(identity: LogIdentity, streams: Streams): ChangeLog {
  return { ...identity, streams, subjects: subjectsOf(identity.stream, identity.tableUid, identity.epoch) }
}

/** Key of the stream's metadata that holds the epoch. */
export const epochKey = 'blasty-epoch'

/** The stream of a log. A full log refuses writes; it never drops what it holds. */
export function logStreamConfig(options: {
  stream: string
  tableUid: string
  maxBytes: number
  replicas: number
  epoch: number
  metadata: Readonly<Record<string, string>>
}): Partial<StreamConfig> & { name: string } {
  return {
    name: options.stream,
    subjects: [subjectsOf(options.stream, options.tableUid, options.epoch).all],
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_bytes: options.maxBytes,
    num_replicas: options.replicas,
    allow_atomic: true,
    allow_direct: true,
    deny_delete: false,
    deny_purge: false,
    allow_rollup_hdrs: false,
    metadata: { ...options.metadata, [epochKey]: String(options.epoch) },
  }
}

export type LogState = {
  readonly epoch: number
  readonly first: number
  readonly last: number
  readonly bytes: number
  /** Whether revisions between the first and the last are erased. */
  readonly holes: boolean
}

/** Reads the stream's state from its leader. Throws LOG_LOST when the stream is gone, BACKEND_UNAVAILABLE when nobody answers. */
export async function logState(log: ChangeLog): Promise<LogState> {
  const info = await asking(log, () => log.streams.admin.streams.info(log.stream))
  checkEpoch(log, info)
  const { first_seq: first, last_seq: last, bytes, num_deleted: deleted = 0 } = info.state
  return { epoch: log.epoch, first, last, bytes, holes: deleted > 0 }
}

function checkEpoch(log: ChangeLog, { config }: StreamInfo): void {
  const epoch = Number(config.metadata?.[epochKey])
  if (epoch !== log.epoch) throw new BlastyError('EPOCH_CHANGED', { table: log.table, actual: epoch, given: log.epoch })
}

/**
 * The state where `first` is the revision from which on the log is whole. Erasing leaves holes behind, and what lies before the last
 * one is to be had from the lake alone.
 */
export async function wholeState(log: ChangeLog): Promise<LogState> {
  const state = await logState(log)
  if (!state.holes) return state
  const info = await asking(log, () => log.streams.admin.streams.info(log.stream, { deleted_details: true }))
  const last = (info.state.deleted ?? []).reduce((highest, hole) => Math.max(highest, hole), 0)
  return { ...state, first: Math.max(info.state.first_seq, last + 1) }
}

/** Whether the log holds, or held, anything but announcements of schemas, wherever they stand in it. Throws as `logState` does. */
export async function holdsRecords(log: ChangeLog): Promise<boolean> {
  const announcements = log.subjects.control('schema')
  const info = await asking(log, () => log.streams.admin.streams.info(log.stream, { subjects_filter: announcements }))
  checkEpoch(log, info)
  const { first_seq: first, messages, subjects } = info.state
  return first > 1 || messages > (subjects?.[announcements] ?? 0)
}

/**
 * The end of the last whole batch: as far as a reader can come. What lies behind it is a batch that is being stored at this
 * moment, or one that a dying server left torn.
 */
export async function readableEnd(log: ChangeLog): Promise<number> {
  const { last } = await logState(log)
  const place = last === 0 ? undefined : (await placeAt(log, last))?.place
  return place === undefined || place.last ? last : last - place.sequence
}

export type LastRecord = {
  readonly revision: number
  readonly head: RecordHead
  readonly body: Uint8Array
  readonly place: BatchPlace | undefined
  /** When it was stored, in milliseconds since 1970. */
  readonly storedAt: number
}

/** The last record of a subject, read from the leader; undefined when the log holds none. */
export async function lastRecord(log: ChangeLog, subject: string): Promise<LastRecord | undefined> {
  const message = await asking(log, () => log.streams.admin.streams.getMessage(log.stream, { last_by_subj: subject }))
  if (message === null) return undefined
  const head = headOf(name => message.header?.get(name))
  if (typeof head === 'string')
    throw new BlastyError('LOG_CORRUPT', { table: log.table, revision: message.seq, problem: head })
  const place = batchPlaceOf(name => message.header?.get(name))
  return { revision: message.seq, head, body: message.data, place, storedAt: message.time.getTime() }
}

/**
 * Whether the batch that a record belongs to was stored whole, or torn by a server that died. `open`: its end is the end of the
 * log, so that nobody can tell yet. Where records behind it are erased it is never said to be whole: a replica knows.
 */
export async function batchFate(log: ChangeLog, { revision, place }: LastRecord): Promise<'whole' | 'torn' | 'open'> {
  if (place === undefined || place.last) return 'whole'
  let end = revision
  for (let high = revision + maxBatchMessages - place.sequence; end < high; ) {
    const middle = Math.ceil((end + high) / 2)
    const found = (await placeAt(log, middle))?.place
    if (found?.batch !== place.batch) high = middle - 1
    else if (found.last) return 'whole'
    else end = middle
  }
  return (await placeAt(log, end + 1)) === undefined ? 'open' : 'torn'
}

/** Subjects that the log holds records of, among those that a filter lets through. */
export async function subjectsIn(log: ChangeLog, filter: string): Promise<string[]> {
  const info = await asking(log, () => log.streams.admin.streams.info(log.stream, { subjects_filter: filter }))
  return Object.keys(info.state.subjects ?? {})
}

/** The message of a sequence, if there is one, with its place in a batch. */
async function placeAt(log: ChangeLog, seq: number): Promise<{ readonly place: BatchPlace | undefined } | undefined> {
  const message = await asking(log, () => log.streams.admin.streams.getMessage(log.stream, { seq }))
  return message === null ? undefined : { place: batchPlaceOf(name => message.header?.get(name)) }
}

async function asking<T>(log: ChangeLog, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Error && /stream not found/i.test(error.message)) {
      throw new BlastyError(
        'LOG_LOST',
        { table: log.table, problem: `stream ${log.stream} does not exist` },
        { cause: error },
      )
    }
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: reason(error) },
      { cause: error },
    )
  }
}
