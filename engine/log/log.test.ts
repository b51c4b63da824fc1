/** The change log against a model of it: what each writer is told, and what every reader sees. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import fc, { runs } from '../../test/random.ts'
import { TableReplica } from '../replica/replica.ts'
import { filmSchema, patience, storedTime, type TestLog, temporaryFolder, testLog, timeText } from '../testing.ts'
import { raiseFloor } from './control.ts'
import { follow } from './follower.ts'
import { logState } from './log.ts'
import type { LogBatch } from './record.ts'
import { type Condition, type LogWriter, logWriter, type RowChange } from './writer.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
before(async () => {
  folder = await temporaryFolder()
})
after(() => folder.remove())

const options = (mutationId?: string) => ({
  principal: 'user:test',
  schema: 1,
  signal: patience(),
  ...(mutationId === undefined ? {} : { mutationId }),
})

const withWriter = async (work: (on: TestLog, writer: LogWriter) => Promise<void>, maxBytes?: number) => {
  const on = await testLog(filmSchema, maxBytes)
  try {
    await work(
      on,
      logWriter(on.log, { encodeKey: on.schemas.encodeKey, lookup: async () => assert.fail('no purge here') }),
    )
  } finally {
    await on.close()
  }
}

const put = (id: string, year = 0, condition?: Condition): RowChange => ({
  op: 'put',
  row: { id, year },
  ...(condition === undefined ? {} : { condition }),
})

/** Reads batches until `revision`. */
async function readTo(on: TestLog, revision: number, from = 0): Promise<LogBatch[]> {
  const batches: LogBatch[] = []
  for await (const batch of follow(on.log, { after: from, signal: patience() })) {
    batches.push(batch)
    if (batch.revision >= revision) return batches
  }
  throw new Error('ended early')
}

type Command =
  | { readonly kind: 'write'; readonly changes: readonly ModelChange[]; readonly id: boolean }
  | { readonly kind: 'retry'; readonly which: number }
  | { readonly kind: 'reuse'; readonly which: number }
  | { readonly kind: 'purge'; readonly part: number }
  | { readonly kind: 'race'; readonly key: number; readonly writers: number }

type ModelChange = {
  readonly key: number
  readonly op: 'put' | 'delete'
  readonly year: number
  readonly condition: 'none' | 'absent' | 'current' | 'stale'
}

const change: fc.Arbitrary<ModelChange> = fc.record({
  key: fc.nat(7),
  op: fc.constantFrom('put', 'put', 'put', 'delete'),
  year: fc.nat(1000),
  condition: fc.constantFrom('none', 'none', 'absent', 'current', 'stale'),
})
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      changes: fc.uniqueArray(change, { selector: ({ key }) => key, minLength: 1, maxLength: 5 }),
      id: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('retry' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reuse' as const), which: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('purge' as const), part: fc.nat(100) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('race' as const),
      key: fc.nat(7),
      writers: fc.integer({ min: 2, max: 4 }),
    }),
  },
)

// A key of each form: short enough to stand in the subject, and long enough to be hashed.
const keyName = (key: number) => (key % 2 === 0 ? `k${key}` : `k${key}`.padEnd(300, 'x'))

test('random histories of writes, conditions, retries, races and purges end as a model of them does', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 40 }), async commands => {
      const on = await testLog(filmSchema)
      const directory = join(folder.path, `model-${run++}`)
      const replica = await TableReplica.open({
        log: on.log,
        schemas: on.schemas,
        name: 'm',
        directory,
        onFailure: error => assert.fail(String(error)),
      })
      const writer = logWriter(on.log, {
        encodeKey: on.schemas.encodeKey,
        lookup: async (key, minRevision, signal) => {
          await replica.reached(minRevision, signal)
          return replica.get(key)?.revision
        },
      })
      const model = new Map<string, { revision: number; year: number }>()
      const touched = new Map<string, number>()
      const written: { changes: RowChange[]; id: string; revision: number }[] = []
      let last = 0
      let floor = 0

      for (const step of commands) {
        if (step.kind === 'write') {
          let expected: string | undefined
          const changes = step.changes.map((wanted): RowChange => {
            const id = keyName(wanted.key)
            const current = model.get(id)?.revision
            const condition: Condition | undefined =
              wanted.condition === 'none'
                ? undefined
                : wanted.condition === 'absent'
                  ? { kind: 'absent' }
                  : { kind: 'revision', revision: wanted.condition === 'current' ? (current ?? 999_999) : 888_888 }
            if (condition?.kind === 'absent' && current !== undefined) expected ??= 'ROW_EXISTS'
            if (condition?.kind === 'revision' && condition.revision !== current) expected ??= 'REVISION_CONFLICT'
            const row = wanted.op === 'put' ? { id, year: wanted.year } : { id }
            return condition === undefined ? { op: wanted.op, row } : { op: wanted.op, row, condition }
          })
          const id = `m${written.length}-${last}`
          const outcome = await writer.write(changes, options(step.id ? id : undefined)).catch((error: unknown) => {
            if (!isBlastyError(error)) throw error
            return error.code
          })
          if (typeof outcome === 'string') {
            assert.equal(outcome, expected)
            continue
          }
          assert.equal(expected, undefined, `${expected} was expected`)
          last = outcome.revision
          changes.forEach(({ op, row }, index) => {
            const key = String(row.id)
            touched.set(key, outcome.first + index)
            if (op === 'put') model.set(key, { revision: outcome.first + index, year: Number(row.year) })
            else model.delete(key)
          })
          if (step.id) written.push({ changes, id, revision: last })
        } else if (step.kind === 'retry' || step.kind === 'reuse') {
          const earlier = written[step.which % (written.length || 1)]
          if (earlier === undefined || earlier.revision < floor) continue
          if (step.kind === 'retry') {
            const again = await writer.write(earlier.changes, options(earlier.id))
            assert.deepEqual([again.replayed, again.revision], [true, earlier.revision])
          } else {
            await assert.rejects(writer.write([put('other', 1)], options(earlier.id)), error =>
              isBlastyError(error, 'MUTATION_ID_REUSED'),
            )
          }
        } else if (step.kind === 'purge') {
          await replica.reached(last, patience())
          const wanted = Math.floor((last * step.part) / 100)
          if (wanted <= floor) continue
          floor = wanted
          last = await raiseFloor(on.log, floor)
          await replica.reached(last, patience())
          await on.streams.admin.streams.purge(on.log.stream, { seq: floor })
        } else {
          const id = keyName(step.key)
          const current = model.get(id)?.revision
          const condition: Condition =
            current === undefined ? { kind: 'absent' } : { kind: 'revision', revision: current }
          const results = await Promise.allSettled(
            Array.from({ length: step.writers }, (_, year) => writer.write([put(id, year, condition)], options())),
          )
          const won = results.flatMap((result, year) =>
            result.status === 'fulfilled' ? [{ year, ...result.value }] : [],
          )
          assert.equal(won.length, 1, 'exactly one of two conditional writers wins')
          const [winner] = won
          if (winner === undefined) continue
          last = winner.revision
          model.set(id, { revision: winner.first, year: winner.year })
        }
      }

      await replica.reached(last, patience())
      const snapshot = replica.snapshot()
      const shown = [...snapshot.rows()].map(({ row }) => {
        const { id, year } = row.row(on.schemas.codec)
        return [id, { revision: row.revision, year }]
      })
      snapshot.close()
      const wanted = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
      assert.deepEqual(
        shown.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
        wanted,
      )
      if (floor === 0 && last > 0) {
        const records = (await readTo(on, last)).flatMap(batch => batch.records)
        assert.deepEqual(
          records.map(({ revision }) => revision),
          Array.from({ length: last }, (_, i) => i + 1),
        )
      }
      await replica.close()
      await on.close()
    }),
    { numRuns: runs(25) },
  )
})

test('two writers that expect the same revision never both win', () =>
  withWriter(async (on, writer) => {
    const { first } = await writer.write([put('a', 1)], options())
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, year) =>
        writer.write([put('a', year, { kind: 'revision', revision: first })], options()),
      ),
    )
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    assert.equal((await logState(on.log)).last, 2)
  }))

test('a batch with one condition that fails leaves nothing in the log', () =>
  withWriter(async (on, writer) => {
    await writer.write([put('a')], options())
    const batch = [put('b'), put('a', 1, { kind: 'absent' }), put('c')]
    await assert.rejects(
      writer.write(batch, options('id-1')),
      error => isBlastyError(error, 'ROW_EXISTS') && error.details.row === 1,
    )
    assert.equal((await logState(on.log)).last, 1)
  }))

test('a row may be made again after its delete, under the condition that it is absent', () =>
  withWriter(async (_, writer) => {
    await writer.write([put('a', 1, { kind: 'absent' })], options())
    await writer.write([{ op: 'delete', row: { id: 'a' } }], options())
    await writer.write([put('a', 2, { kind: 'absent' })], options())
    await assert.rejects(writer.write([put('a', 3, { kind: 'absent' })], options()), error =>
      isBlastyError(error, 'ROW_EXISTS'),
    )
  }))

test('a reader is handed whole batches, and revisions inside one belong to its end', () =>
  withWriter(async (on, writer) => {
    const one = await writer.write([put('a')], options())
    const many = await writer.write(
      Array.from({ length: 500 }, (_, i) => put(`k${i}`)),
      options('id'),
    )
    const batches = await readTo(on, many.revision)
    assert.deepEqual(
      batches.map(({ revision }) => revision),
      [one.revision, many.revision],
    )
    assert.equal(batches[1]?.records.length, 501)
    assert.equal(many.first, one.revision + 1)
  }))

test('a batch was committed when the server stored it, to the microsecond', () =>
  withWriter(async (on, writer) => {
    const revisions: number[] = []
    for (let year = 0; year < 50; year++) revisions.push((await writer.write([put('a', year)], options())).revision)
    const batches = await readTo(on, revisions.at(-1) ?? 0)
    assert.deepEqual(
      batches.map(({ commitTime }) => timeText(commitTime)),
      await Promise.all(revisions.map(revision => storedTime(on.log, revision))),
    )
  }))

test('a full log refuses writes and keeps what it holds', () =>
  withWriter(async (on, writer) => {
    let refused = false
    for (let i = 0; i < 200 && !refused; i++) {
      await writer.write([{ op: 'put', row: { id: `k${i}`, title: 'x'.repeat(10_000) } }], options()).catch(error => {
        assert.ok(isBlastyError(error, 'LOG_FULL'))
        refused = true
      })
    }
    assert.ok(refused)
    const state = await logState(on.log)
    assert.equal(state.first, 1)
    assert.ok(state.last > 10)
  }, 256 * 1024))

test('too many rows, a key twice, a key too long, a row too large: each is refused with its own error', () =>
  withWriter(async (on, writer) => {
    const refused = (changes: RowChange[], code: Parameters<typeof isBlastyError>[1]) =>
      assert.rejects(
        async () => writer.write(changes, options()),
        error => isBlastyError(error, code),
      )
    await refused(
      Array.from({ length: 999 }, (_, i) => put(`k${i}`)),
      'BATCH_TOO_LARGE',
    )
    await refused([put('a'), put('a')], 'INVALID_ARGUMENT')
    await refused([], 'INVALID_ARGUMENT')
    await refused([put('k'.repeat(1024))], 'KEY_TOO_LONG')
    await refused([{ op: 'put', row: { id: 'a', title: 'x'.repeat(1_000_001) } }], 'ROW_TOO_LARGE')
    await writer.write([put('k'.repeat(1023))], options())
    assert.equal((await logState(on.log)).last, 1)
  }))

test('a purge that no hole declares stops a reader from below it', () =>
  withWriter(async (on, writer) => {
    for (let i = 0; i < 10; i++) await writer.write([put(`k${i}`)], options())
    await on.streams.admin.streams.purge(on.log.stream, { seq: 6 })
    await assert.rejects(readTo(on, 10, 2), error => isBlastyError(error, 'LOG_GAP'))
    assert.equal((await readTo(on, 10, 5)).length, 5)
  }))
