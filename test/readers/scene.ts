/** What tests with both readers share: a bucket of their own in the stack's object store, and the readers over it. */
import { type ObjectStore, objectStore } from '../../backends/object-store/store.ts'
import { testStack, testTrino, uniqueName } from '../../devstack/testing.ts'
import { type DeltaRs, startDeltaRs } from './delta-rs.ts'
import type { LakeReader } from './reader.ts'
import { startTrinoReader, type TrinoReader } from './trino.ts'

export type Scene = AsyncDisposable & {
  readonly store: ObjectStore
  readonly bucket: string
  readonly deltaRs: DeltaRs
  readonly trino: TrinoReader
  /** Both. */
  readonly readers: readonly LakeReader[]
}

/** Starts the readers, Trino unless it runs. Disposing of the scene ends delta-rs and makes Trino forget its tables. */
export async function readersScene(): Promise<Scene> {
  const stack = await testStack('objectStore')
  const store = objectStore({ ...stack.objectStore, pathStyle: true })
  const bucket = uniqueName('readers')
  await store.makeBucket(bucket)
  await using starting = new AsyncDisposableStack()
  const deltaRs = starting.use(await startDeltaRs(stack.objectStore))
  const trino = starting.use(await startTrinoReader(await testTrino()))
  const running = starting.move()
  return {
    store,
    bucket,
    deltaRs,
    trino,
    readers: [deltaRs, trino],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
