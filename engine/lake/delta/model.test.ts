/** Random histories of a lake, with checkpoints and clean-ups anywhere, against a model of three maps. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc, { runs } from '../../../test/random.ts'
import { temporaryFolder } from '../../testing.ts'
import { type Action, type AddFile, logicalFile, type RemoveFile, type Txn } from './actions.ts'
import { writeCheckpoint } from './checkpoint.ts'
import { cleanLog } from './clean-up.ts'
import { packVectors } from './deletion-vector.ts'
import type { DeltaLake } from './lake.ts'
import { advance, type LakeState, readState } from './state.ts'
import {
  anotherLake,
  committed,
  creation,
  fileAdded,
  fileRemoved,
  type TestLake,
  testLake,
  timeOfVersion,
} from './testing.ts'

let own: TestLake
let scratch: Awaited<ReturnType<typeof temporaryFolder>>
before(async () => {
  own = await testLake()
  scratch = await temporaryFolder()
})
after(async () => {
  await scratch.remove()
  await own.close()
})

type Model = {
  readonly files: ReadonlyMap<string, AddFile>
  readonly tombstones: ReadonlyMap<string, RemoveFile>
  readonly txns: ReadonlyMap<string, Txn>
}

/** Numbers choose among the files that there are; the same file is never chosen twice in a commit. */
type Step = {
  readonly add: number
  readonly remove: readonly number[]
  readonly revector: readonly number[]
  /** Puts back what was removed, as RESTORE of other engines does. */
  readonly restore: readonly number[]
  readonly txn: { readonly appId: string; readonly version: number } | undefined
  readonly next: 'nothing' | 'checkpoint' | 'checkpoint and clean' | 'forget'
}

const plain = { noNullPrototype: true } as const

const step: fc.Arbitrary<Step> = fc.record({
  add: fc.nat(3),
  remove: fc.array(fc.nat(20), { maxLength: 2 }),
  revector: fc.array(fc.nat(20), { maxLength: 3 }),
  restore: fc.array(fc.nat(20), { maxLength: 1 }),
  txn: fc.option(fc.record({ appId: fc.constantFrom('a', 'b', 'ü'), version: fc.maxSafeNat() }, plain), {
    nil: undefined,
  }),
  next: fc.constantFrom('nothing', 'nothing', 'checkpoint', 'checkpoint and clean', 'forget'),
})

/** The actions of a step, in an order that is nothing's own, and the model after it. */
function take(before: Model, { add, remove, revector, restore, txn }: Step): { actions: Action[]; model: Model } {
  const files = new Map(before.files)
  const tombstones = new Map(before.tombstones)
  const txns = new Map(before.txns)
  const actions: Action[] = []
  const chosen = new Set<string>()
  const choose = (number: number): AddFile | undefined => {
    const file = [...before.files.values()][number % Math.max(before.files.size, 1)]
    if (file === undefined || chosen.has(file.path)) return undefined
    chosen.add(file.path)
    return file
  }
  const put = (file: AddFile) => {
    actions.push({ add: file })
    files.set(file.path, { ...file, dataChange: false })
    tombstones.delete(logicalFile(file))
  }
  const drop = (file: AddFile) => {
    const removed = fileRemoved(file)
    actions.push({ remove: removed })
    tombstones.set(logicalFile(file), { ...removed, dataChange: false })
  }
  for (const file of remove.map(choose)) {
    if (file === undefined) continue
    drop(file)
    files.delete(file.path)
  }
  for (const [row, file] of revector.map(choose).entries()) {
    if (file === undefined) continue
    put(fileAdded(file.path, packVectors(new Map([[file.path, [row]]])).descriptors.get(file.path)))
    drop(file)
  }
  for (const number of restore) {
    const gone = [...before.tombstones.values()].filter(({ path }) => !before.files.has(path))
    const file = gone[number % Math.max(gone.length, 1)]
    if (file !== undefined) put(fileAdded(file.path, file.deletionVector))
  }
  for (let count = 0; count < add; count++) put(fileAdded())
  if (txn !== undefined) {
    actions.push({ txn })
    txns.set(txn.appId, txn)
  }
  return { actions, model: { files, tombstones, txns } }
}

function agrees(state: LakeState | undefined, version: number, model: Model | undefined): asserts state is LakeState {
  const { files, tombstones, txns } = state ?? {}
  assert.deepEqual(
    { version: state?.version, timestamp: state?.timestamp },
    { version, timestamp: timeOfVersion(version) },
  )
  assert.deepEqual({ files, tombstones, txns }, model)
}

async function run(lake: DeltaLake, steps: readonly Step[]): Promise<void> {
  const models: Model[] = [{ files: new Map(), tombstones: new Map(), txns: new Map() }]
  await committed(lake, 0, ...creation())
  let state = await readState(lake)
  let oldest = 0
  for (const [index, step] of steps.entries()) {
    const version = index + 1
    const { actions, model } = take(models[index] ?? assert.fail(), step)
    models.push(model)
    await committed(lake, version, ...actions)
    agrees(state, version - 1, models[version - 1])
    state = step.next === 'forget' ? await readState(lake) : await advance(lake, state)
    agrees(state, version, model)
    if (step.next.startsWith('checkpoint')) await writeCheckpoint(lake, state, scratch.path)
    if (step.next === 'checkpoint and clean') {
      // What is kept is the version before and all after it; only a checkpoint at or before it may begin the log.
      oldest = (await cleanLog(lake, state, { olderThan: timeOfVersion(version - 1) })) ?? oldest
      assert.ok(oldest < version)
    }
  }
  for (let version = oldest; version <= steps.length; version++) {
    agrees(await readState(lake, version), version, models[version])
  }
  agrees(await readState(lake), steps.length, models.at(-1))
}

test('whatever is committed, checkpointed and cleaned up, every kept version reads as the model says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), steps => run(anotherLake(own.lake), steps)),
    { numRuns: runs(12) },
  )
})
