import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../../base/errors.ts'
import fc from '../../../test/random.ts'
import { type Action, logicalFile, parseActions, serialiseActions } from './actions.ts'
import { checkProtocol, lakeProtocol } from './protocol.ts'

const vector = {
  storageType: 'u',
  pathOrInlineDv: 'vBn[lx{q8@P<9BNH/isA',
  offset: 1,
  sizeInBytes: 40,
  cardinality: 2,
} as const
const corrupt = (problem: RegExp) => (error: unknown) =>
  isBlastyError(error, 'LAKE_CORRUPT') && problem.test(error.message)

test('what is written is read back, whatever characters it holds', () => {
  const text = fc.string({ unit: 'binary' })
  const texts = fc.dictionary(text, text).map(entries => ({ ...entries }))
  const count = fc.maxSafeNat()
  const action: fc.Arbitrary<Action> = fc.oneof(
    fc.record({
      add: fc.record({
        path: text,
        partitionValues: fc.constant({}),
        size: count,
        modificationTime: count,
        dataChange: fc.boolean(),
        stats: text,
        tags: texts,
      }),
    }),
    fc.record({
      remove: fc.record({
        path: text,
        deletionTimestamp: count,
        dataChange: fc.boolean(),
        deletionVector: fc.constant(vector),
      }),
    }),
    fc.record({ txn: fc.record({ appId: text, version: count }) }),
    fc.record({
      cdc: fc.record({ path: text, partitionValues: texts, size: count, dataChange: fc.constant(false as const) }),
    }),
    fc.record({ commitInfo: fc.record({ timestamp: count, txnId: text, operation: text }) }),
  )
  fc.assert(
    fc.property(fc.array(action), actions => {
      assert.deepEqual(parseActions(serialiseActions(actions).toString()), JSON.parse(JSON.stringify(actions)))
    }),
  )
})

test('what another engine adds to a commit is passed over, and its nulls are as if absent', () => {
  const lines = [
    { domainMetadata: { domain: 'x', configuration: '', removed: false } },
    { commitInfo: { timestamp: 'today', operation: 'OPTIMIZE', operationMetrics: { rows: 1 } } },
    {
      add: {
        path: 'a',
        partitionValues: { day: null },
        size: 1,
        modificationTime: 2,
        dataChange: true,
        deletionVector: null,
        stats: null,
        baseRowId: 7,
      },
    },
    { add: null, remove: null, txn: { appId: 'x', version: 3, lastUpdated: null } },
  ]
  assert.deepEqual(parseActions(lines.map(line => JSON.stringify(line)).join('\r\n')), [
    { commitInfo: { operation: 'OPTIMIZE' } },
    { add: { path: 'a', partitionValues: {}, size: 1, modificationTime: 2, dataChange: true } },
    { txn: { appId: 'x', version: 3 } },
  ])
})

test('a torn line, an action that lacks something, and a number that JSON cannot hold are refused by name', () => {
  const whole = JSON.stringify({ txn: { appId: 'x', version: 3 } })
  assert.throws(() => parseActions(`${whole}\n${whole.slice(0, -3)}`, 'b/lake'), corrupt(/b\/lake.*not JSON/))
  assert.throws(() => parseActions('[1]'), corrupt(/action is not an object/))
  assert.throws(() => parseActions('{"txn":{"appId":"x"}}'), corrupt(/action\.txn\.version/))
  assert.throws(
    () => parseActions('{"txn":{"appId":"x","version":9223372036854775807}}'),
    corrupt(/txn\.version.*2\^53/),
  )
  assert.throws(() => parseActions('{"add":{"path":1}}'), corrupt(/add\.path is not text/))
  assert.throws(
    () => parseActions('{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":[1]}}'),
    corrupt(/list of texts/),
  )
})

test('a deletion vector outside of a file of the table is refused', () => {
  const remove = { path: 'a', dataChange: true, deletionVector: { ...vector, storageType: 'i' } }
  assert.throws(
    () => parseActions(JSON.stringify({ remove })),
    error => isBlastyError(error, 'LAKE_UNSUPPORTED') && /storage type i/.test(error.message),
  )
})

test('a table that wants a feature we do not know is refused by its name, ours is not', () => {
  checkProtocol(lakeProtocol, 'b/lake')
  const refused = (change: object, problem: RegExp) =>
    assert.throws(
      () => checkProtocol({ ...lakeProtocol, ...change }, 'b/lake'),
      error => isBlastyError(error, 'LAKE_UNSUPPORTED') && problem.test(error.message),
    )
  refused({ writerFeatures: ['deletionVectors', 'rowTracking'] }, /b\/lake.*feature rowTracking/)
  refused({ readerFeatures: ['v2Checkpoint'], writerFeatures: ['v2Checkpoint'] }, /feature v2Checkpoint$/)
  refused({ minReaderVersion: 2 }, /version 2 for readers/)
  refused({ minWriterVersion: 8 }, /8 for writers/)
})

test('a file with one deletion vector is another file than with another, or with none', () => {
  const ids = [
    { path: 'a' },
    { path: 'a', deletionVector: vector },
    { path: 'a', deletionVector: { ...vector, offset: 2 } },
  ]
  assert.equal(new Set(ids.map(logicalFile)).size, 3)
})
