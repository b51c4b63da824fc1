/**
 * The rows of one keyed Table in LMDB, in key order, and the ring of changes with the rows as they were.
 * A batch is one transaction. The files are a cache: anything doubtful is thrown away and read again from the log.
 */

import { rmSync } from 'node:fs'
import type { Database } from 'lmdb'
import { BlastyError } from '../../base/errors.ts'
import { erases, type LogBatch } from '../log/record.ts'
import type { KeyEncoder } from '../schema/key.ts'
import type { KeyRange } from '../schema/key-range.ts'
import type { RowCodec } from '../schema/rows.ts'
import { binary, openCacheStore } from './cache-store.ts'
import {
  type Change,
  type ChangeBatch,
  decodeBatch,
  decodeStored,
  encodeBatchHead,
  encodeChange,
  encodeStored,
  type StoredRow,
  schemaOf,
} from './change.ts'

export type RowStoreIdentity = { readonly tableUid: string; readonly epoch: number }

/**
 * A frozen view of all rows at one revision. Close it: an open one keeps old pages from being used again. It ends with its
 * store: then `rows` throws TABLE_NOT_READY, also in the middle.
 */
export type RowSnapshot = {
  readonly revision: number
  readonly open: boolean
  /** Rows in key order, behind `after` and within `range` when given; `after` lies within it. */
  readonly rows: (after?: Buffer, range?: KeyRange) => Iterable<{ readonly key: Buffer; readonly row: StoredRow }>
  readonly close: () => void
}

/** A row of a snapshot with its encoded key. */
export type LoadedRow = { readonly key: Buffer; readonly row: StoredRow }

export type RowStore = {
  /** The revision of the last batch applied, 0 at first. */
  readonly revision: () => number
  readonly count: () => number
  /** Applies a batch that follows the last one; returns what it changed. */
  readonly apply: (batch: LogBatch, codec: RowCodec, encodeKey: KeyEncoder) => ChangeBatch
  readonly get: (key: Buffer) => StoredRow | undefined
  readonly snapshot: () => RowSnapshot
  /** The ring holds every batch behind this revision, and none before. */
  readonly base: () => number
  /** Batches behind `after`, oldest first, about `maxBytes` of them. `after` must not lie before `base`. */
  readonly changes: (after: number, maxBytes: number) => ChangeBatch[]
  /** The last batch applied that asks for an erasure: what these files hold of earlier rows must go. 0 when there was none. */
  readonly erased: () => number
  /**
   * Takes the rows of a snapshot in place of everything, in new files: nothing is left of what the store held. One that breaks off
   * leaves an empty store when it is opened again.
   */
  readonly load: (parts: AsyncIterable<readonly LoadedRow[]>, revision: number) => Promise<void>
  /** Drops the oldest batches up to `revision` while the ring takes more than `maxBytes` on disk. */
  readonly trim: (revision: number, maxBytes: number) => void
  readonly close: () => Promise<void>
}

const format = 2
const trimmedAtOnce = 1_000

/** What a database takes on disk, in bytes. */
function sizeOf(database: Database<Buffer, Buffer>): number {
  const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = database.getStats() as Record<
    'pageSize' | 'treeBranchPageCount' | 'treeLeafPageCount' | 'overflowPages',
    number
  >
  return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages)
}

function ringKey(revision: number): Buffer {
  const key = Buffer.alloc(8)
  key.writeUIntBE(revision, 2, 6)
  return key
}

/** `table` is `namespace/name`, for messages. */
export function openRowStore(path: string, identity: RowStoreIdentity, table: string): RowStore {
  const open = () => {
    const root = openCacheStore(path, { format, ...identity })
    const rows: Database<Buffer, Buffer> = root.openDB('rows', binary)
    const ring: Database<Buffer, Buffer> = root.openDB('ring', binary)
    return { root, rows, ring }
  }
  let { root, rows, ring } = open()
  // A snapshot that was not loaded to its end is no state of the Table.
  if (root.getBinary('loading') !== undefined) {
    rows.clearSync()
    ring.clearSync()
    for (const name of ['revision', 'base', 'loading', 'erased']) root.removeSync(name)
  }
  let erased = Number(root.getBinary('erased')?.toString() ?? 0)
  let revision = Number(root.getBinary('revision')?.toString() ?? 0)
  let base = Number(root.getBinary('base')?.toString() ?? 0)
  let count = rows.getCount()
  /** Batches that only announce a schema are kept in the ring too, so that columns meet it in its place. */
  let lastSchema = 0
  let closed = false
  const snapshots = new Set<{ readonly close: () => void }>()
  // What is closed lies in memory that is no longer ours.
  const checkOpen = (open: boolean) => {
    if (!open) throw new BlastyError('TABLE_NOT_READY', { table, reason: 'its replica was closed' })
  }

  const applyRecords = (batch: LogBatch, codec: RowCodec, encodeKey: KeyEncoder): ChangeBatch => {
    const changes: Change[] = []
    const schema = schemaOf(batch)
    const entries: Buffer[] = [encodeBatchHead(batch.commitTime, schema)]
    let delta = 0
    root.transactionSync(() => {
      for (const record of batch.records) {
        if (record.operation !== 'put' && record.operation !== 'delete') continue
        const key = record.key ?? encodeKey(codec.decode(record.body))
        const oldBytes = rows.getBinary(key)
        if (record.operation === 'delete') {
          if (oldBytes === undefined) continue
          rows.removeSync(key)
          delta--
          entries.push(encodeChange(key, oldBytes, undefined))
          changes.push({ key, old: decodeStored(oldBytes), new: undefined })
        } else {
          const bytes = encodeStored(record.revision, batch.commitTime, record.body)
          rows.putSync(key, bytes)
          if (oldBytes === undefined) delta++
          entries.push(encodeChange(key, oldBytes, bytes))
          changes.push({ key, old: oldBytes && decodeStored(oldBytes), new: decodeStored(bytes) })
        }
      }
      if (changes.length > 0 || schema > lastSchema)
        ring.putSync(ringKey(batch.revision), Buffer.concat(entries), { append: true })
      root.putSync('revision', Buffer.from(String(batch.revision)))
      if (erases(batch)) root.putSync('erased', Buffer.from(String(batch.revision)))
    })
    if (erases(batch)) erased = batch.revision
    count += delta
    lastSchema = Math.max(lastSchema, schema)
    revision = batch.revision
    return {
      revision,
      commitTime: batch.commitTime,
      schema,
      changes,
      bytes: entries.reduce((sum, entry) => sum + entry.length, 0),
    }
  }

  return {
    revision: () => revision,
    count: () => count,
    apply: (batch, codec, encodeKey) => {
      checkOpen(!closed)
      if (batch.revision <= revision)
        throw new BlastyError('INTERNAL', { id: `batch ${batch.revision} behind ${revision}` })
      return applyRecords(batch, codec, encodeKey)
    },
    get: key => {
      checkOpen(!closed)
      const bytes = rows.getBinary(key)
      return bytes && decodeStored(bytes)
    },
    snapshot: () => {
      checkOpen(!closed)
      const transaction = root.useReadTransaction()
      let open = true
      const snapshot: RowSnapshot = {
        revision: Number(root.get('revision', { transaction })?.toString() ?? 0),
        get open() {
          return open
        },
        rows: function* (after, range = {}) {
          checkOpen(open)
          const bounds = after === undefined ? range : { ...range, start: after }
          for (const { key, value } of rows.getRange({ transaction, ...bounds })) {
            if (after?.equals(key)) continue
            yield { key, row: decodeStored(value) }
            checkOpen(open)
          }
        },
        close: () => {
          if (!open) return
          open = false
          snapshots.delete(snapshot)
          transaction.done()
        },
      }
      snapshots.add(snapshot)
      return snapshot
    },
    base: () => base,
    erased: () => erased,
    load: async (parts, at) => {
      checkOpen(!closed)
      // Pages that are free still hold what was in them.
      for (const snapshot of [...snapshots]) snapshot.close()
      await root.close()
      rmSync(path, { recursive: true, force: true })
      ;({ root, rows, ring } = open())
      erased = 0
      root.putSync('loading', Buffer.from('1'))
      for await (const part of parts) {
        checkOpen(!closed)
        root.transactionSync(() => {
          for (const { key, row } of part) rows.putSync(key, encodeStored(row.revision, row.commitTime, row.body))
        })
      }
      checkOpen(!closed)
      root.transactionSync(() => {
        root.putSync('revision', Buffer.from(String(at)))
        root.putSync('base', Buffer.from(String(at)))
        root.removeSync('loading')
      })
      revision = at
      base = at
      count = rows.getCount()
    },
    trim: (upTo, maxBytes) => {
      checkOpen(!closed)
      const last = ringKey(Math.min(upTo, revision) + 1)
      while (sizeOf(ring) > maxBytes) {
        const oldest = [...ring.getKeys({ end: last, limit: trimmedAtOnce })]
        const newest = oldest.at(-1)
        if (newest === undefined) return
        root.transactionSync(() => {
          for (const key of oldest) ring.removeSync(key)
          base = newest.readUIntBE(2, 6)
          root.putSync('base', Buffer.from(String(base)))
        })
      }
    },
    changes: (after, maxBytes) => {
      checkOpen(!closed)
      if (after < base) throw new BlastyError('INTERNAL', { id: `the ring begins behind ${base}, not ${after}` })
      const found: ChangeBatch[] = []
      let bytes = 0
      for (const { key, value } of ring.getRange({ start: ringKey(after + 1) })) {
        found.push(decodeBatch(key.readUIntBE(2, 6), value))
        bytes += value.length
        if (bytes >= maxBytes) break
      }
      return found
    },
    close: () => {
      closed = true
      for (const snapshot of [...snapshots]) snapshot.close()
      return root.close()
    },
  }
}
