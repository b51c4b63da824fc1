/**
 * Uploads, writes, deletes and collections that run at once, in random interleavings of their calls to the store, over days that
 * pass in between: no row ever names what is not there. Thousands of them with a store in memory, some on the real one.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import fc, { runs } from '../../test/random.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import { patience } from '../testing.ts'
import { storeBlob } from './blobs.ts'
import { BlobCheck } from './check.ts'
import { collectBlobs } from './collect.ts'
import { type BlobPlace, type BlobRef, blobGraceMillis, namedMillis, storedOf } from './content.ts'
import { presignUpload } from './presigned.ts'
import {
  chunksOf,
  clockedObjects,
  memoryObjects,
  refOf,
  type TestBucket,
  testBucket,
  wrappedObjects,
} from './testing.ts'

let real: TestBucket
before(async () => {
  real = await testBucket()
})
after(() => real.close())

const hour = 3_600_000
/** How long a write may take, as the facade has it. */
const writeMillis = 30_000
const schema: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'String', required: true, field: 1 },
    { name: 'poster', type: 'Blob', required: false, field: 2 },
  ],
  retired: [],
  primaryKey: ['id'],
}
const contents = ['a', 'b'].map(text => Buffer.from(text))
const blobs = contents.map(bytes => refOf(bytes, 'text/plain'))

type Step =
  | { readonly do: 'upload' | 'announce'; readonly content: number }
  | { readonly do: 'write'; readonly id: string; readonly content: number }
  | { readonly do: 'delete'; readonly id: string }
  | { readonly do: 'pass'; readonly hours: number }
  | { readonly do: 'collect' }

const content = fc.nat({ max: contents.length - 1 })
const id = fc.constantFrom('x', 'y')
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('upload', 'announce'), content }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write'), id, content }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete'), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass'), hours: fc.constantFrom(0, 1, 7, 13, 25) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('collect') }) },
)

/** What happens one after the other, so that there is something old. */
const past: fc.Arbitrary<readonly Step[]> = fc.oneof(
  fc.array(steps, { maxLength: 5 }),
  fc.constantFrom<Step[]>(
    [{ do: 'upload', content: 0 }],
    [
      { do: 'upload', content: 0 },
      { do: 'pass', hours: 25 },
    ],
    [
      { do: 'upload', content: 0 },
      { do: 'write', id: 'x', content: 0 },
      { do: 'pass', hours: 25 },
    ],
  ),
)
/** What happens at once. */
const present: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.record({ do: fc.constant('write' as const), id: fc.constant('x'), content: fc.constant(0) }),
    fc.oneof(
      fc.record({ do: fc.constant('pass' as const), hours: fc.constantFrom(1, 25) }),
      fc.record({ do: fc.constant('delete' as const), id: fc.constant('x') }),
    ),
    fc.array(steps, { maxLength: 3 }),
  )
  .map(([write, other, more]) => [write, other, { do: 'collect' }, ...more])

/** Lets tasks go on one call at a time, in the order that `choices` say. */
class Turns {
  readonly #waiting: (() => void)[] = []
  readonly #choices: Iterator<number>
  #busy = 0

  constructor(choices: readonly number[]) {
    this.#choices = choices.values()
  }

  take(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#busy--
      this.#next()
    })
  }

  async run(tasks: readonly (() => Promise<void>)[]): Promise<void> {
    this.#busy = tasks.length
    const task = async (work: () => Promise<void>) => {
      await this.take()
      try {
        await work()
      } finally {
        this.#busy--
        this.#next()
      }
    }
    await Promise.all(tasks.map(task))
  }

  /** When all wait, one goes on. */
  #next(): void {
    if (this.#busy > 0 || this.#waiting.length === 0) return
    const { value = 0 } = this.#choices.next() as { value?: number }
    const [go] = this.#waiting.splice(value % this.#waiting.length, 1)
    this.#busy++
    go?.()
  }
}

/** A Table of rows that name blobs, with as much of its history as is kept. */
class Model {
  time = Date.now()
  readonly #rows = new Map<string, BlobRef>()
  /** Versions of rows that are none any more, and until when they were. */
  #history: { readonly blob: BlobRef; readonly until: number }[] = []

  get(key: string): BlobRef | undefined {
    return this.#rows.get(key)
  }

  set(key: string, blob: BlobRef | undefined): void {
    const old = this.#rows.get(key)
    if (old !== undefined) this.#history.push({ blob: old, until: this.time })
    if (blob === undefined) this.#rows.delete(key)
    else this.#rows.set(key, blob)
  }

  /** What rows name, or named a moment ago. */
  named(): string[] {
    this.#history = this.#history.filter(({ until }) => until >= this.time - namedMillis)
    return [...this.#rows.values(), ...this.#history.map(({ blob }) => blob)].map(({ sha256 }) => sha256)
  }
}

async function play(
  bucket: BlobPlace,
  before: readonly Step[],
  racing: readonly Step[],
  choices: readonly number[],
): Promise<Set<string>> {
  const seen = new Set<string>()
  const model = new Model()
  const turns = new Turns(choices)
  const now = () => model.time
  const clocked = clockedObjects(bucket.objects, now)
  const check = async (what: string) => {
    for (const sha256 of model.named()) {
      assert.ok((await storedOf(bucket, sha256)).length > 0, `${what}: a row names what is not there`)
    }
  }
  const objects = wrappedObjects(clocked, async (name, call) => {
    await turns.take()
    const result = await call()
    if (name === 'remove') await check('after a removal')
    return result
  })
  const place = { ...bucket, objects, now }
  // Without a cache: its time is that of the real clock.
  const blobCheck = new BlobCheck(
    place,
    async rows => {
      await turns.take()
      return rows.map(({ id: key }): Row => ({ poster: model.get(String(key)) ?? null }))
    },
    0,
  )
  const perform = async (step: Step): Promise<void> => {
    switch (step.do) {
      case 'upload':
        await storeBlob(place, chunksOf(contents[step.content] ?? Buffer.alloc(0)), { type: 'text/plain' })
        return
      case 'announce':
        await presignUpload(place, blobs[step.content] ?? refOf(Buffer.alloc(0)), 60)
        return
      case 'write': {
        const blob = blobs[step.content] ?? refOf(Buffer.alloc(0))
        const began = model.time
        const row = { id: step.id, poster: blob }
        await blobCheck.check(schema, [{ row, place: 'row' }], patience())
        await turns.take()
        if (model.time - began > writeMillis) return
        model.set(step.id, blob)
        seen.add('written')
        return check('after a write')
      }
      case 'delete':
        return model.set(step.id, undefined)
      case 'pass':
        model.time += step.hours * hour
        return
      case 'collect': {
        const named = async function* () {
          const names = model.named()
          await turns.take()
          yield* names
        }
        const { blobs: collected } = await collectBlobs({ ...place, named })
        if (collected > 0) seen.add('collected')
      }
    }
  }
  const task = (step: Step) => async () => {
    await perform(step).catch(error => {
      // An upload that took more than a day is to be sent again, as is a write whose check took more than a minute.
      if ((step.do === 'upload' || step.do === 'write') && isBlastyError(error, 'BACKEND_UNAVAILABLE')) return
      if (!isBlastyError(error, 'BLOB_NOT_STORED')) throw error
      seen.add('refused')
    })
  }
  for (const step of before) await turns.run([task(step)])
  await turns.run(racing.map(task))
  await check('at the end')

  for (const key of ['x', 'y']) model.set(key, undefined)
  model.time += 2 * blobGraceMillis
  await collectBlobs({ ...place, objects: clocked, named: async function* () {} })
  const left = await Array.fromAsync(bucket.objects.list(bucket.bucket, ''))
  assert.deepEqual(left, [], 'all is collected in the end')
  return seen
}

async function playMany(place: () => BlobPlace, numRuns: number): Promise<Set<string>> {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(
      past,
      present,
      fc.array(fc.nat({ max: 60 }), { minLength: 60, maxLength: 60 }),
      async (before, racing, choices) => {
        for (const what of await play(place(), before, racing, choices)) seen.add(what)
      },
    ),
    { numRuns: runs(numRuns) },
  )
  return seen
}

test('however uploads, writes and collections meet, a row never names what is not there', async () => {
  const seen = await playMany(() => ({ objects: memoryObjects(), bucket: 'b', table: 'test/films' }), 4000)
  assert.deepEqual([...seen].sort(), ['collected', 'refused', 'written'])
})

test('nor on the real store', async () => {
  await playMany(() => real, 50)
})
