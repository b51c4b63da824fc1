/**
 * Begins another epoch of a log that is lost: an empty log whose first revision is above every one that was ever issued, on top of
 * the rows that the lake holds.
 *
 * The lake says first that it holds the new epoch up to its beginning. From then on an archiver of the earlier epoch is refused, and
 * whoever reads the new log finds what lies before it by the one rule of recovery. Each step is safe to repeat; a repair that broke off
 * is begun again and takes another epoch.
 */

import { randomUUID } from 'node:crypto'
import { JetStreamApiError, type StreamConfig } from '@nats-io/jetstream'
import { reason } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'
import { commit } from '../lake/delta/commit.ts'
import type { DeltaLake } from '../lake/delta/lake.ts'
import { creationActions } from '../lake/delta/protocol.ts'
import { readState } from '../lake/delta/state.ts'
import { appIdOf, epochsIn } from '../lake/files.ts'
import { raiseFloor } from '../log/control.ts'
import { type ChangeLog, changeLog, epochKey, logState } from '../log/log.ts'
import type { TableSchema } from '../schema/schema.ts'

/**
 * Revisions that are passed over, so that those which were acknowledged and reached no report are not given out again. A log takes
 * about two minutes for as many at its fastest; reports are seconds old.
 */
export const revisionGap = 2 ** 24

export type NewEpochOptions = {
  /** The log as it was, in its last epoch known. */
  readonly log: ChangeLog
  readonly lake: DeltaLake
  /** In force: the lake is made under it when there is none. */
  readonly schema: TableSchema
  readonly historySeconds: number
  /** The greatest revision that anybody is known to have seen. */
  readonly known: number
  /** The stream of an epoch, with its marks. */
  readonly config: (epoch: number) => Partial<StreamConfig> & { readonly name: string }
  readonly now?: () => number
}

export type NewEpoch = {
  readonly epoch: number
  /** The first revision of the new log. */
  readonly first: number
  /** The last revision of the earlier epochs that the lake holds; 0 when it holds nothing. */
  readonly kept: number
  /** The greatest revision that is known to have been issued before: those behind `kept` are lost. */
  readonly known: number
}

/**
 * Begins the next epoch. The stream must not exist.
 * @throws BACKEND_REFUSED when it does; LAKE_CORRUPT, LAKE_UNSUPPORTED for a lake that cannot be gone on with; errors of the backends
 */
export async function beginEpoch(options: NewEpochOptions): Promise<NewEpoch> {
  const begun = await stateEpoch(options)
  const { log, config } = options
  const next = changeLog({ ...log, epoch: begun.epoch }, log.streams)
  await makeStream(next, { ...config(begun.epoch), first_seq: begun.first })
  // Before anybody is told of the new log: a row that is not in it may well be in the lake.
  await raiseFloor(next, begun.first - 1)
  return begun
}

/** Has the lake say up to where it holds the next epoch, and decides by that where it begins. */
async function stateEpoch({
  log,
  lake,
  schema,
  known,
  now = Date.now,
  ...options
}: NewEpochOptions): Promise<NewEpoch> {
  for (;;) {
    const state = await readState(lake)
    const epochs = state === undefined ? [] : epochsIn(state, log.stream)
    const epoch = Math.max(log.epoch, ...epochs.map(one => one.epoch)) + 1
    const highest = Math.max(known, ...epochs.map(one => one.revision))
    const first = highest + revisionGap + 1
    const time = now()
    const txn = { appId: appIdOf({ log: { ...log, epoch } }), version: first - 1, lastUpdated: time }
    const creation =
      state === undefined
        ? creationActions(schema, {
            id: randomUUID(),
            createdTime: time,
            name: log.table.replace('/', '.'),
            historySeconds: options.historySeconds,
          })
        : []
    const version = (state?.version ?? -1) + 1
    const timestamp = Math.max(time, (state?.timestamp ?? 0) + 1)
    const commitId = randomUUID()
    const outcome = await commit(lake, version, [...creation, { txn }], { commitId, operation: 'NEW EPOCH', timestamp })
    // An archiver that still carried what it had read was first: that belongs to what is kept.
    if (outcome.kind === 'taken') continue
    // A repair that broke off left an epoch without a log; its revisions were never issued.
    const kept = epochs.filter(one => one.epoch <= log.epoch).at(-1)?.revision ?? 0
    return { epoch, first, kept, known: Math.max(known, kept) }
  }
}

/** Makes the stream, which must not be there; one that an unanswered request of ours made is. */
async function makeStream(log: ChangeLog, config: Partial<StreamConfig> & { readonly name: string }): Promise<void> {
  const refused = (problem: string, cause?: unknown) =>
    new BlastyError('BACKEND_REFUSED', { backend: 'streams server', problem }, { cause })
  try {
    await log.streams.admin.streams.add(config)
  } catch (error) {
    if (error instanceof JetStreamApiError) throw refused(reason(error), error)
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: reason(error) },
      { cause: error },
    )
  }
  // The server takes a stream of the same configuration for ours, but for where it begins.
  const { first } = await logState(log)
  if (first !== config.first_seq) throw refused(`stream ${log.stream} begins at ${first}, not at ${config.first_seq}`)
}

/** The epoch that a stream's metadata names; 0 when there is none. */
export const epochOf = ({ metadata }: StreamConfig): number => Number(metadata?.[epochKey] ?? 0)
