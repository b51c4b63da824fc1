/** Which files are put together, as a table of cases and over the life of a Table. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from '../../test/random.ts'
import { planCompaction } from './compaction.ts'
import type { AddFile } from './delta/actions.ts'

const mega = 1024 * 1024

type Shape = { readonly size: number; readonly rows?: number; readonly deleted?: number; readonly from?: number }

let made = 0
function file({ size, rows = 1000, deleted = 0, from = ++made }: Shape): AddFile {
  return {
    path: `part-${from}-${size}.parquet`,
    partitionValues: {},
    size,
    modificationTime: 0,
    dataChange: true,
    stats: JSON.stringify({ numRecords: rows, minValues: { _revision: from } }),
    ...(deleted > 0 && {
      deletionVector: { storageType: 'u', pathOrInlineDv: 'x', offset: 1, sizeInBytes: 1, cardinality: deleted },
    }),
  }
}

const many = (count: number, shape: Shape): AddFile[] => Array.from({ length: count }, () => file(shape))
const total = (files: readonly AddFile[]) => files.reduce((sum, { size }) => sum + size, 0)

const cases: readonly (readonly [string, AddFile[], { keyed?: number; appended?: number }])[] = [
  ['nothing', [], { keyed: 0, appended: 0 }],
  ['one file', many(1, { size: mega }), { keyed: 0, appended: 0 }],
  ['seven of a size', many(7, { size: mega }), { keyed: 0, appended: 0 }],
  ['eight of a size', many(8, { size: mega }), { keyed: 8, appended: 8 }],
  ['a hundred of a size are taken 64 at a time', many(100, { size: 1000 }), { keyed: 64, appended: 64 }],
  ['no more than about 128 MiB at a time', many(40, { size: 10 * mega }), { keyed: 13, appended: 13 }],
  ['large ones are left alone', many(20, { size: 128 * mega }), { keyed: 0, appended: 0 }],
  ['a file without bytes', many(8, { size: 0 }), { keyed: 8, appended: 8 }],
  ['a file without rows', many(8, { size: 500, rows: 0 }), { keyed: 8, appended: 8 }],
  ['half deleted is not yet hollow', many(1, { size: mega, rows: 10, deleted: 5 }), { keyed: 0, appended: 0 }],
  ['a hollow one is written anew', many(1, { size: mega, rows: 10, deleted: 6 }), { keyed: 1, appended: 1 }],
  ['a hollow one, however large', many(1, { size: 900 * mega, rows: 10, deleted: 9 }), { keyed: 1, appended: 1 }],
  ['hollow ones of an append-only Table stay apart', many(3, { size: mega, deleted: 600 }), { keyed: 3, appended: 1 }],
  [
    'seven of each of two sizes, which are neighbours',
    [...many(7, { size: mega }), ...many(7, { size: 64 * mega })],
    { keyed: 0, appended: 9 },
  ],
  [
    'small ones on both sides of a large one are no neighbours',
    [...many(7, { size: 1000 }), file({ size: 200 * mega }), ...many(7, { size: 1000 })],
    { keyed: 14, appended: 0 },
  ],
  [
    'one that is as large as all its neighbours together is not written again with them',
    [file({ size: 8000 }), ...many(7, { size: 600 })],
    { keyed: 0, appended: 0 },
  ],
]

for (const [name, files, { keyed, appended }] of cases) {
  test(`files to be put together: ${name}`, () => {
    if (keyed !== undefined) assert.equal(planCompaction(files, true).length, keyed, 'keyed')
    if (appended !== undefined) assert.equal(planCompaction(files, false).length, appended, 'append-only')
  })
}

test('a file of another engine that does not say its rows or revisions is written anew', () => {
  for (const stats of [undefined, '{}', '{"numRecords":5}', '{"minValues":{"_revision":5}}']) {
    const { stats: _, ...rest } = file({ size: mega })
    const strange: AddFile = stats === undefined ? rest : { ...rest, stats }
    for (const keyed of [true, false]) {
      const chosen = planCompaction([file({ size: mega }), strange], keyed)
      assert.deepEqual(chosen, [strange], `${stats}`)
    }
  }
})

test('files of an append-only Table are put together only with all that lie between them', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 5000 }),
    fc.integer({ min: 0, max: 4 * mega }),
    fc.integer({ min: 100 * mega, max: 300 * mega }),
  )
  fc.assert(
    fc.property(fc.array(sizes, { maxLength: 60 }), given => {
      const files = given.map((size, index) => file({ size, from: index + 1 }))
      const shuffled = files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
      const places = planCompaction(shuffled, false)
        .map(one => files.indexOf(one))
        .sort((a, b) => a - b)
      const [from = 0] = places
      assert.deepEqual(
        places,
        places.map((_, index) => from + index),
      )
      assert.ok(places.length === 0 || places.length >= 2, 'one alone is not worth it')
    }),
  )
})

/** A long life: each window adds a file and, of a keyed Table, ends rows of others; rewriting makes files smaller by `packed`. */
function life(keyed: boolean, windows: number, sizeOf: (window: number) => number, endedShare: number, packed: number) {
  let files: AddFile[] = []
  let [written, rewritten, most] = [0, 0, 0]
  let random = 1
  const next = () => {
    random = (random * 48271) % 2147483647
    return random / 2147483647
  }
  const live = ({ size, stats, deletionVector }: AddFile) => {
    const { numRecords } = JSON.parse(stats ?? '') as { numRecords: number }
    const share = 1 - (deletionVector?.cardinality ?? 0) / numRecords
    return { bytes: size * share, rows: numRecords * share }
  }
  for (let window = 1; window <= windows; window++) {
    const added = file({ size: sizeOf(window), from: window })
    written += added.size
    files.push(added)
    const victim = files[Math.floor(next() * files.length)]
    if (keyed && endedShare > 0 && victim !== undefined) {
      const { rows } = live(victim)
      const { numRecords } = JSON.parse(victim.stats ?? '') as { numRecords: number }
      const left = Math.max(0, Math.round(rows - 1000 * endedShare))
      const [from = 0] = [Number(/part-(\d+)/.exec(victim.path)?.[1])]
      files = files.filter(one => one !== victim)
      if (left > 0) files.push(file({ size: victim.size, rows: numRecords, deleted: numRecords - left, from }))
    }
    for (let chosen = planCompaction(files, keyed); chosen.length > 0; chosen = planCompaction(files, keyed)) {
      const sums = chosen.map(live)
      const size = Math.ceil(sums.reduce((sum, { bytes }) => sum + bytes, 0) * packed)
      const rows = Math.round(sums.reduce((sum, one) => sum + one.rows, 0))
      const from = Math.min(...chosen.map(({ path }) => Number(/part-(\d+)/.exec(path)?.[1])))
      rewritten += size
      files = files.filter(one => !chosen.includes(one))
      if (rows > 0) files.push(file({ size, rows, from }))
    }
    most = Math.max(most, files.length)
  }
  return { amplification: rewritten / written, most, files, bytes: total(files) }
}

for (const keyed of [true, false]) {
  const name = keyed ? 'keyed' : 'append-only'
  test(`over thousands of windows rows of a ${name} Table are written again a few times, and files stay few`, () => {
    const shapes: readonly (readonly [string, (window: number) => number])[] = [
      ['even', () => 40_000],
      ['tiny', () => 1500],
      ['uneven', window => (window % 50 === 0 ? 3_000_000 : 2000 + ((window * 7919) % 60_000))],
      ['falling', window => Math.max(1500, 2_000_000 / window)],
    ]
    for (const [shape, sizeOf] of shapes) {
      for (const packed of [1, 0.5]) {
        for (const ended of keyed ? [0, 0.2, 0.9] : [0]) {
          const { amplification, most } = life(keyed, 1500, sizeOf, ended, packed)
          // The logarithm, to the base of eight, of the Table's size in windows, and what a share that is packed better adds.
          assert.ok(amplification < 8, `${shape} ${packed} ${ended}: each byte is written again ${amplification} times`)
          assert.ok(most < 80, `${shape} ${packed} ${ended}: ${most} files`)
        }
      }
    }
  })
}
