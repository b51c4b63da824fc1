/**
 * Checkpoints: the whole state of a version in one Parquet file (Delta protocol, V1 Spec, classic naming). Those in several parts,
 * which the protocol discourages, are read and not written.
 */

import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { s3Code } from '../../../backends/object-store/store.ts'
import { BlastyError, isBlastyError } from '../../../base/errors.ts'
import { type Action, parseActions } from './actions.ts'
import { type Checkpoint, checkpointKeys, type DeltaLake, lakeName, lastCheckpointKey } from './lake.ts'
import { actionsToParquet, inScratch, readParquetActions } from './parquet.ts'
import type { LakeState } from './reconcile.ts'

const defaultRetentionMillis = 7 * 24 * 60 * 60 * 1000

/**
 * Writes the checkpoint of a state, then `_last_checkpoint`. Two that do so at once write the same. A crash before the end leaves
 * either nothing or a checkpoint that is found by listing.
 * @param scratchDirectory a folder for files that go away
 */
export async function writeCheckpoint(lake: DeltaLake, state: LakeState, scratchDirectory: string): Promise<void> {
  const [key = ''] = checkpointKeys(lake, state.version)
  const size = await inScratch(scratchDirectory, async folder => {
    const ndjson = join(folder, 'actions.json')
    const parquet = join(folder, 'checkpoint.parquet')
    let actions = 0
    const lines = Readable.from(
      checkpointActions(state).map(action => {
        actions++
        return `${JSON.stringify(action)}\n`
      }),
    )
    await pipeline(lines, createWriteStream(ndjson))
    const rows = await actionsToParquet(ndjson, parquet)
    if (rows !== actions) throw new BlastyError('INTERNAL', { id: `checkpoint of ${actions} actions has ${rows} rows` })
    const type = 'application/vnd.apache.parquet'
    await lake.objects.upload(lake.bucket, key, createReadStream(parquet), { type })
    return { actions, bytes: (await stat(parquet)).size }
  })
  const { version, files } = state
  await pointToCheckpoint(lake, {
    version,
    keys: [key],
    size: size.actions,
    sizeInBytes: size.bytes,
    numOfAddFiles: files.size,
  })
}

/** What `_last_checkpoint` tells of a checkpoint; `size` counts actions. */
export type CheckpointHint = Checkpoint & {
  readonly size: number
  readonly sizeInBytes?: number
  readonly numOfAddFiles?: number
}

/** Makes `_last_checkpoint` name a checkpoint, unless it names that one or a newer one already. */
export async function pointToCheckpoint(lake: DeltaLake, { keys, ...hint }: CheckpointHint): Promise<void> {
  const last = await lastCheckpoint(lake)
  if (last !== undefined && last >= hint.version) return
  const body = JSON.stringify({ ...hint, ...(keys.length > 1 && { parts: keys.length }) })
  await lake.objects.put(lake.bucket, lastCheckpointKey(lake), Buffer.from(body))
}

function* checkpointActions(state: LakeState): Generator<Action> {
  yield { protocol: state.protocol }
  yield { metaData: state.metadata }
  for (const txn of state.txns.values()) yield { txn }
  for (const add of state.files.values()) yield { add }
  const expired = state.timestamp - tombstoneMillis(state)
  for (const remove of state.tombstones.values()) {
    if ((remove.deletionTimestamp ?? 0) > expired) yield { remove }
  }
}

/**
 * How long a tombstone is kept, in milliseconds, as the table says (`delta.deletedFileRetentionDuration`), else a week. Counted from
 * the time of the version and not from a clock, so that everyone makes the same checkpoint of it.
 */
function tombstoneMillis({ metadata }: LakeState): number {
  const [, count, unit = ''] =
    /^interval (\d+) (second|minute|hour|day|week)s?$/.exec(
      metadata.configuration['delta.deletedFileRetentionDuration'] ?? '',
    ) ?? []
  const millis = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 }
  const unitMillis = Object.entries(millis).find(([name]) => name === unit)?.[1]
  return count === undefined || unitMillis === undefined ? defaultRetentionMillis : Number(count) * unitMillis
}

/** The version that `_last_checkpoint` names. It is a hint: undefined when it is missing, torn or makes no sense. */
export async function lastCheckpoint(lake: DeltaLake): Promise<number | undefined> {
  const body = await lake.objects.get(lake.bucket, lastCheckpointKey(lake))
  if (body === undefined) return undefined
  try {
    const hint: unknown = JSON.parse(body.toString())
    if (typeof hint !== 'object' || hint === null || !('version' in hint)) return undefined
    const { version } = hint
    return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0 ? version : undefined
  } catch {
    // Torn. Whoever reads lists the log instead.
    return undefined
  }
}

/**
 * Hands over the actions of a checkpoint, many at a time. `take` may have been given some when it throws.
 * @throws LAKE_CORRUPT when a part is missing or is no Parquet file
 */
export async function readCheckpoint(
  lake: DeltaLake,
  checkpoint: Checkpoint,
  take: (actions: readonly Action[]) => void,
  scratchDirectory: string = tmpdir(),
): Promise<void> {
  const name = `${lakeName(lake)} checkpoint ${checkpoint.version}`
  await inScratch(scratchDirectory, async folder => {
    const parts = checkpoint.keys.map((_, part) => join(folder, `${part}.parquet`))
    for (const [part, key] of checkpoint.keys.entries()) await fetchPart(lake, key, parts[part] ?? folder, name)
    try {
      await readParquetActions(parts, ndjson => take(parseActions(ndjson, name)))
    } catch (cause) {
      if (isBlastyError(cause)) throw cause
      throw new BlastyError('LAKE_CORRUPT', { lake: name, problem: 'it is no readable Parquet file' }, { cause })
    }
  })
}

async function fetchPart(lake: DeltaLake, key: string, file: string, name: string): Promise<void> {
  try {
    await pipeline(await lake.objects.download(lake.bucket, key), createWriteStream(file))
  } catch (cause) {
    // A cleaned up one is no disaster for those who find another: that is for the reader of the state to see.
    if (s3Code(cause) !== 'NoSuchKey') throw cause
    throw new BlastyError('LAKE_CORRUPT', { lake: name, problem: `${key} is missing` }, { cause })
  }
}
