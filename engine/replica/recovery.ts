/** The one rule of recovery: a snapshot from the lake at revision R, then the log from R + 1. */

import { BlastyError } from '../../base/errors.ts'
import { type LakeSnapshot, readingSnapshot } from '../lake/snapshot.ts'
import { type ChangeLog, wholeState } from '../log/log.ts'
import type { Schemas } from '../schema/schemas.ts'
import { type ChangeBatch, StoredRow } from './change.ts'
import type { LoadedRow, RowStore } from './row-store.ts'

/** Where a replica has what the log no longer holds. */
export type Recovery = {
  /** The newest snapshot of the lake; undefined when there is no lake. */
  readonly snapshot: () => Promise<LakeSnapshot | undefined>
  /** Whole batches behind a revision, as the lake remembers them. Throws CURSOR_EXPIRED; ends with some error when the signal aborts. */
  readonly changes: (after: number, signal: AbortSignal) => AsyncIterable<ChangeBatch>
  /** Of an append-only Table: the revision up to which rows are gone, as the lake remembers it. */
  readonly expired: () => Promise<number>
}

type Recovering = { readonly log: ChangeLog; readonly schemas: Schemas; readonly recovery?: Recovery }

/**
 * Makes sure that the log goes on where the rows end: when it begins later, they are loaded from the lake. So they are when rows were
 * erased of which the store still holds something, as soon as the lake has come that far. Returns whether
 * rows were erased since the store was filled, of which other caches may hold something too.
 * @throws LOG_GAP when the lake does not reach the log either
 */
export async function recoverRows(rows: RowStore, { log, schemas, recovery }: Recovering): Promise<boolean> {
  const { first } = await wholeState(log)
  const behind = rows.revision() + 1 < first
  if (!behind && rows.erased() === 0) return false
  const reaching = Math.max(first, rows.erased() + 1)
  const [before, passed] = [rows.revision(), rows.erased()]
  let erased = false
  await readingSnapshot(
    () => (behind ? reachingSnapshot(log, first, recovery) : snapshotIfReaching(reaching, recovery)),
    async snapshot => {
      await rows.load(loadedRows(snapshot, schemas), snapshot.revision)
      erased = before > 0 && (passed > 0 || snapshot.erased > before)
    },
  )
  return erased
}

/** The newest snapshot, unless the log would have to go on before `reaching`. */
async function snapshotIfReaching(
  reaching: number,
  recovery: Pick<Recovery, 'snapshot'> | undefined,
): Promise<LakeSnapshot | undefined> {
  const snapshot = await recovery?.snapshot()
  if (snapshot === undefined || snapshot.revision + 1 >= reaching) return snapshot
  await snapshot.close()
  return undefined
}

/** A snapshot behind which the log holds everything. */
export async function reachingSnapshot(
  log: ChangeLog,
  first: number,
  recovery: Pick<Recovery, 'snapshot'> | undefined,
): Promise<LakeSnapshot> {
  const snapshot = await recovery?.snapshot()
  if (snapshot !== undefined && snapshot.revision + 1 >= first) return snapshot
  await snapshot?.close()
  throw new BlastyError('LOG_GAP', { table: log.table, from: snapshot?.revision ?? 0, to: first })
}

async function* loadedRows(snapshot: LakeSnapshot, schemas: Schemas): AsyncGenerator<readonly LoadedRow[]> {
  for await (const source of snapshot.files()) {
    for await (const part of snapshot.parquet.read(schemas.current, source)) {
      const { codec, encodeKey } = schemas
      yield part.map(({ revision, commitTime, body }) => {
        const bytes = Buffer.from(body)
        return { key: encodeKey(codec.decode(bytes)), row: new StoredRow(revision, commitTime, bytes) }
      })
    }
  }
}
