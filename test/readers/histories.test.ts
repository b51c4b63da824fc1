/**
 * Random histories of a Table: delta-rs and Trino read from its lake the rows, their older versions and the changes that a model of
 * the history says and that the Table's own SQL and feed show, whatever was archived together, compacted, cleaned up and purged, and
 * whether the store fences the lake's versions or claims do.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before } from 'node:test'
import { claimingStore } from '../../backends/object-store/claiming-store.ts'
import { natsClaims } from '../../backends/object-store/claims.ts'
import { devConfig } from '../../devstack/config.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { stagedPrefix } from '../../engine/lake/delta/lake.ts'
import { overwritingStore } from '../../engine/lake/delta/testing.ts'
import { type TestLake, testLake } from '../../engine/lake/testing.ts'
import { LakeHistory } from '../../engine/lake/testing-history.ts'
import { inAnyOrder, type Told, type Version } from '../../engine/lake/testing-model.ts'
import type { Column, Row, TableSchema } from '../../engine/schema/schema.ts'
import fc, { runs } from '../random.ts'
import { asSeenBy, canonicalRows } from './form.ts'
import { type RandomHistory, randomHistory } from './history-commands.ts'
import type { LakeVersion } from './lake-versions.ts'
import type { LakeReader, LakeRow } from './reader.ts'
import { readersScene, type Scene } from './scene.ts'
import { TableHistory } from './table-history.ts'

const missing = await missingHere('python', 'trino')
const withReaders = testNeeding(missing)

let scene: Scene
before(async () => {
  if (missing === undefined) scene = await readersScene()
})
after(() => scene?.[Symbol.asyncDispose]())

async function happen(history: TableHistory, { commands, end, which }: RandomHistory): Promise<void> {
  const { on } = history
  try {
    await on.begin()
    for (const step of commands) await (step.kind === 'look' ? look(history, step.which) : history.do(step))
    await history.archive(end)
    await look(history, which)
    // Nothing is left to read but the lake.
    await on.purge()
    await on.loseReader()
    await history.assertOurs()
  } finally {
    await on.closeReader()
  }
}

/** What others read of the lake, as far as it goes, and what the Table's own readers do. */
async function look(history: TableHistory, which: number): Promise<void> {
  await assertRead(history, which)
  await history.assertOurs()
}

/** Both readers against the model: rows as they are and as they were at a version that is kept, and all changes that are. */
async function assertRead(history: TableHistory, which: number): Promise<void> {
  const { newest, kept } = history.versions
  const then = kept[which % Math.max(1, kept.length)]
  if (newest === undefined || then === undefined) return
  await Promise.all(
    scene.readers.map(async reader => {
      await assertRows(reader, history, newest, await reader.rows(history.place))
      await assertRows(reader, history, then, await reader.rows(history.place, then.version))
      if (history.on.keyed) await assertChanges(reader, history, newest)
    }),
  )
}

async function assertRows(
  reader: LakeReader,
  history: TableHistory,
  at: LakeVersion,
  seen: readonly LakeRow[],
): Promise<void> {
  const schema = history.schemaOf(at)
  const rows = history.on.model.rowsAt(at.revision).map(row => history.shown(row, schema))
  assertSeen(reader, schema, seen, rows, `rows of version ${at.version}`)
}

const kinds = ['insert', 'update_preimage', 'update_postimage', 'delete'] as const

/** Every change of the versions that are kept is in the version that its batch went into, once, in the columns of today. */
async function assertChanges(reader: LakeReader, history: TableHistory, newest: LakeVersion): Promise<void> {
  const { versions, on } = history
  const schema = history.schemaOf(newest)
  const told = on.model.batches
    .filter(({ revision }) => revision > versions.forgotten && revision <= newest.revision)
    .map(({ revision, changes }) => ({ version: String(versions.holding(revision)), changes }))
  const seen = await reader.changes(history.place, versions.begin, newest.version)
  assert.ok(seen.every(({ _change_type }) => kinds.some(kind => kind === _change_type)))
  for (const version of new Set([...told.map(one => one.version), ...seen.map(row => String(row._commit_version))])) {
    const changes = told.filter(one => one.version === version).flatMap(one => one.changes)
    for (const kind of kinds) {
      const rows = changes.flatMap(change => imageOf(kind, change) ?? []).map(row => history.shown(row, schema))
      const shown = seen.filter(row => row._commit_version === version && row._change_type === kind)
      assertSeen(reader, schema, shown, rows, `${kind} in version ${version}`)
    }
  }
}

/** The row that a line of the change feed shows; undefined when the change has no such line. */
function imageOf(kind: (typeof kinds)[number], { old, new: next }: Told): Version | undefined {
  switch (kind) {
    case 'insert':
      return old === undefined ? next : undefined
    case 'delete':
      return next === undefined ? old : undefined
    case 'update_preimage':
      return next && old
    case 'update_postimage':
      return old && next
  }
}

/** What stands in the lake beside the columns of the Table. */
const lakeColumns: readonly Column[] = [
  { name: '_revision', type: 'Int64', required: true, field: 0 },
  { name: '_commit_time', type: 'Timestamp', required: true, field: 0 },
]
/** What stands beside the columns of the lake in a change feed. */
const feedColumns: readonly string[] = ['_change_type', '_commit_version', '_commit_timestamp']

/** Rows of a reader, which have just the columns that they should, against those of the model. */
function assertSeen(
  reader: LakeReader,
  schema: TableSchema,
  seen: readonly LakeRow[],
  rows: readonly Row[],
  what: string,
): void {
  const all = { ...schema, columns: [...schema.columns, ...lakeColumns] }
  const wanted = all.columns.map(({ name }) => name).sort()
  for (const row of seen) {
    const names = Object.keys(row).filter(name => !feedColumns.includes(name))
    assert.deepEqual(names.sort(), wanted, `columns for ${reader.name}: ${what}`)
  }
  const expected = asSeenBy(reader, all, rows)
  assert.deepEqual(inAnyOrder(canonicalRows(all, seen)), inAnyOrder(expected), `${reader.name}: ${what}`)
}

/** The newest version cannot be had by another, and nothing is left of what was staged. */
async function assertClaimed({ on, versions }: TableHistory): Promise<void> {
  const { lake } = on.writer
  assert.ok(lake.claims)
  if (versions.newest === undefined) return
  assert.notEqual(await lake.claims.claim(versions.newest.version, 'another content'), 'ours')
  assert.deepEqual(await Array.fromAsync(lake.objects.list(lake.bucket, stagedPrefix(lake))), [])
}

/** Lets a history happen, on a store that keeps what was put first or on one that does not. */
async function run(lake: TestLake, random: RandomHistory): Promise<TableHistory> {
  const { streams } = lake.on
  const name = `claims_${randomUUID()}`
  const claiming = () => claimingStore(overwritingStore(lake.objects), natsClaims(streams, name, 1))
  const history = new TableHistory(lake, random.schema, random.claims ? claiming() : lake.objects)
  try {
    await happen(history, random)
    if (random.claims) await assertClaimed(history)
    return history
  } finally {
    // Where nothing was archived there is none.
    await streams.admin.streams.delete(`KV_${name}`).catch(() => false)
  }
}

const { testSeed } = devConfig()

for (const [name, keyed, usual] of [
  ['a keyed', true, 13],
  ['an append-only', false, 7],
] as const) {
  withReaders(
    `delta-rs and Trino read rows and changes of ${name} Table as its SQL does, whatever its history`,
    async t => {
      const met = { histories: 0, claimed: 0, batches: 0, versions: 0, compactions: 0, cut: 0 }
      await fc.assert(
        fc.asyncProperty(randomHistory(keyed), async random => {
          const failures: unknown[] = []
          const lake = await testLake(random.schema, error => failures.push(error))
          try {
            const history = await run(lake, random)
            LakeHistory.assertFollowed(failures)
            met.histories++
            met.claimed += random.claims ? 1 : 0
            met.batches += history.on.model.batches.length
            met.versions += history.versions.all.length
            met.compactions += history.versions.all.filter(({ compaction }) => compaction).length
            met.cut += history.versions.begin > 0 ? 1 : 0
          } finally {
            await lake.close()
          }
        }),
        // Making a failure small takes long: worth it for a seed that is known to fail.
        { numRuns: runs(usual), endOnFailure: typeof testSeed !== 'number' },
      )
      t.diagnostic(`${JSON.stringify(met)}`)
      assert.ok(met.versions > met.histories)
    },
  )
}
