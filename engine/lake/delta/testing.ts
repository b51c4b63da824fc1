/** What the tests of the lake share: a lake of their own on a real store, stores that fail, and made-up files. */

import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { type ObjectStore, objectStore } from '../../../backends/object-store/store.ts'
import { testStack } from '../../../devstack/testing.ts'
import { filmSchema } from '../../testing.ts'
import type { Action, AddFile, DeletionVector, RemoveFile } from './actions.ts'
import { writeCheckpoint } from './checkpoint.ts'
import { type CommitResult, commit } from './commit.ts'
import { type DeltaLake, dataPath } from './lake.ts'
import { creationActions } from './protocol.ts'
import { type LakeState, readState } from './state.ts'

export type TestLake = { readonly lake: DeltaLake; readonly close: () => Promise<void> }

/** A lake in a bucket of its own; `close` removes both. */
export async function testLake(): Promise<TestLake> {
  const stack = await testStack('objectStore')
  const objects = objectStore({ ...stack.objectStore, pathStyle: true })
  const bucket = `test-${randomUUID()}`
  await objects.makeBucket(bucket)
  const close = async () => {
    const keys = await Array.fromAsync(objects.list(bucket, ''), ({ key }) => key)
    await objects.remove(bucket, keys)
    await objects.removeBucket(bucket)
  }
  return { lake: { objects, bucket, root: 'lake' }, close }
}

/** Another lake in the same bucket. */
export const anotherLake = (lake: DeltaLake): DeltaLake => ({ ...lake, root: `lake-${randomUUID()}` })

/** Commits and insists; times are the version, so that they are the same in every run. */
export async function committed(lake: DeltaLake, version: number, ...actions: Action[]): Promise<void> {
  const result = await attempt(lake, version, ...actions)
  if (result.kind !== 'committed') throw new Error(`version ${version} is taken`)
}

export const attempt = (lake: DeltaLake, version: number, ...actions: Action[]): Promise<CommitResult> =>
  commit(lake, version, actions, { commitId: randomUUID(), timestamp: timeOfVersion(version) })

/** The state that must be there. */
export async function present(lake: DeltaLake, version?: number): Promise<LakeState> {
  const state = await readState(lake, version)
  if (state === undefined) throw new Error('there is no lake')
  return state
}

export const added = (version: number): Action => ({ add: fileAdded(`part-${version}.parquet`) })

/** Another lake in the bucket, whose version n adds a file of its number, with checkpoints where asked. */
export async function grown(beside: DeltaLake, to: number, checkpoints: readonly number[] = []): Promise<DeltaLake> {
  const lake = anotherLake(beside)
  await committed(lake, 0, ...creation())
  for (let version = 1; version <= to; version++) {
    await committed(lake, version, added(version))
    if (checkpoints.includes(version)) await writeCheckpoint(lake, await present(lake), tmpdir())
  }
  return lake
}

/**
 * Another lake in the bucket, whose files are there. Version n adds part-n and removes part-(n-1); every version has a change file.
 * Checkpoints at 3 and 6.
 */
export async function filled(beside: DeltaLake, newest = 7): Promise<DeltaLake> {
  const lake = anotherLake(beside)
  await committed(lake, 0, ...creation())
  for (let version = 1; version <= newest; version++) {
    const cdc = {
      path: `_change_data/cdc-${version}.parquet`,
      partitionValues: {},
      size: 1,
      dataChange: false,
    } as const
    const add = fileAdded(`part-${version}.parquet`)
    const actions: Action[] = [{ add }, { cdc }]
    if (version > 1) actions.push({ remove: fileRemoved(fileAdded(`part-${version - 1}.parquet`)) })
    for (const { path } of [add, cdc]) await lake.objects.put(lake.bucket, `${lake.root}/${path}`, Buffer.from('x'))
    await committed(lake, version, ...actions)
    if (version % 3 === 0) await writeCheckpoint(lake, await present(lake), tmpdir())
  }
  return lake
}

/** Paths of the files that versions 1 to `count` of such a lake add. */
export const names = (count: number) => Array.from({ length: count }, (_, index) => `part-${index + 1}.parquet`)

export const timeOfVersion = (version: number): number => 1_700_000_000_000 + version * 1000

export const creation = (): Action[] => creationActions(filmSchema, { id: randomUUID(), createdTime: timeOfVersion(0) })

export const fileAdded = (path = dataPath(randomUUID()), deletionVector?: DeletionVector): AddFile => ({
  path,
  partitionValues: {},
  size: 1000,
  modificationTime: timeOfVersion(0),
  dataChange: true,
  stats: JSON.stringify({ numRecords: 10 }),
  ...(deletionVector && { deletionVector }),
})

export const fileRemoved = (
  { path, size, partitionValues, deletionVector }: AddFile,
  deletionTimestamp = timeOfVersion(0),
): RemoveFile => ({
  path,
  deletionTimestamp,
  dataChange: true,
  extendedFileMetadata: true,
  partitionValues,
  size,
  ...(deletionVector && { deletionVector }),
})

/**
 * `unsent`: the request never leaves · `unanswered`: the store does its work and the answer is lost · `late`: as unsent, but it
 * arrives when `release` is called.
 */
export type StoreFault = 'unsent' | 'unanswered' | 'late'

export type FaultyStore = {
  readonly objects: ObjectStore
  readonly requests: () => number
  /** Lets a late request arrive. */
  readonly release: () => Promise<void>
}

/** A store of which the `at`-th request, from 1, fails; 0 for none. */
export function faultyStore(objects: ObjectStore, at: number, fault: StoreFault): FaultyStore {
  let requests = 0
  let held: (() => Promise<unknown>) | undefined
  const asked = async <T>(request: () => Promise<T>): Promise<T> => {
    if (++requests !== at) return request()
    if (fault === 'unanswered') await request()
    if (fault === 'late') held = request
    throw new Error('the network is gone')
  }
  return {
    requests: () => requests,
    release: async () => {
      await held?.()
      held = undefined
    },
    objects: {
      ...objects,
      get: (...args) => asked(() => objects.get(...args)),
      put: (...args) => asked(() => objects.put(...args)),
      head: (...args) => asked(() => objects.head(...args)),
      upload: (...args) => asked(() => objects.upload(...args)),
      download: (...args) => asked(() => objects.download(...args)),
      remove: (...args) => asked(() => objects.remove(...args)),
      list: async function* (...args) {
        yield* await asked(() => Array.fromAsync(objects.list(...args)))
      },
    },
  }
}

/** A store that takes `If-None-Match` and overwrites all the same. */
export function overwritingStore(objects: ObjectStore): ObjectStore {
  return {
    ...objects,
    until: signal => overwritingStore(objects.until(signal)),
    put: async (bucket, key, body, options = {}) => objects.put(bucket, key, body, { ...options, ifAbsent: false }),
  }
}
