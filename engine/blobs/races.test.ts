/**
 * Uploads, writes, deletes and collections that run at once on the real store, in random interleavings of their calls, over days
 * that pass in between: no row ever names what is not there.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { isBlastyError } from '../../base/errors.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import { patience } from '../testing.ts'
import { storeBlob } from './blobs.ts'
import { BlobCheck } from './check.ts'
import { collectBlobs } from './collect.ts'
import { type BlobRef, blobGraceMillis, storedOf } from './content.ts'
import { presignUpload } from './presigned.ts'
import { chunksOf, clockedObjects, refOf, type TestBucket, testBucket, wrappedObjects } from './testing.ts'

let bucket: TestBucket
before(async () => {
  bucket = await testBucket()
})
after(() => bucket.close())

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

  /** What rows name, or named within the grace. */
  named(): string[] {
    this.#history = this.#history.filter(({ until }) => until >= this.time - blobGraceMillis)
    return [...this.#rows.values(), ...this.#history.map(({ blob }) => blob)].map(({ sha256 }) => sha256)
  }
}

async function play(script: readonly Step[], choices: readonly number[]): Promise<Set<string>> {
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
      if (!isBlastyError(error, 'BLOB_NOT_STORED')) throw error
      seen.add('refused')
    })
  }
  // The first half of the script goes before the rest, so that there is something old.
  const middle = script.length / 2
  await turns.run(script.slice(0, middle).map(task))
  await turns.run(script.slice(middle).map(task))
  await check('at the end')

  for (const key of ['x', 'y']) model.set(key, undefined)
  model.time += 2 * blobGraceMillis
  await collectBlobs({ ...place, objects: clocked, named: async function* () {} })
  assert.deepEqual(await bucket.keys(), [], 'all is collected in the end')
  return seen
}

test('however uploads, writes and collections meet, a row never names what is not there', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 8, maxLength: 14 }),
      fc.array(fc.nat({ max: 60 }), { minLength: 60, maxLength: 60 }),
      async (script, choices) => {
        for (const what of await play(script, choices)) seen.add(what)
      },
    ),
    { numRuns: 60 },
  )
  assert.deepEqual([...seen].sort(), ['collected', 'refused', 'written'])
})
