/** Random histories of a Table whose lake others read: which columns it has, what is written, and what becomes of its lake. */
import { columnValue } from '../../engine/lake/testing-values.ts'
import type { Column, Row, ScalarType, TableSchema, ValueType } from '../../engine/schema/schema.ts'
import fc from '../random.ts'

type ColumnType = Pick<Column, 'type' | 'precision' | 'scale' | 'items'>

const decimals: readonly ValueType[] = [
  { type: 'Decimal', precision: 9, scale: 2 },
  { type: 'Decimal', precision: 18, scale: 4 },
  { type: 'Decimal', precision: 38, scale: 10 },
  { type: 'Decimal', precision: 38, scale: 0 },
  { type: 'Decimal', precision: 38, scale: 38 },
]
const plain: readonly ScalarType[] = [
  'String',
  'Int32',
  'Int64',
  'Double',
  'Boolean',
  'Date',
  'Timestamp',
  'UUID',
  'Bytes',
]
/** Every type that a column may have. */
const types: readonly ColumnType[] = [
  ...[...plain, ...(['JSON', 'GeoPoint', 'Blob'] as const)].map(type => ({ type })),
  ...decimals,
  ...[...plain.map(type => ({ type })), ...decimals].map(items => ({ type: 'Array' as const, items })),
]

const nameOf = ({ type, precision, scale, items }: ColumnType): string =>
  JSON.stringify([type, precision, scale, items?.type, items?.precision, items?.scale])

/** A value for some of the types: columns of the others are null. */
const seed = fc.record(Object.fromEntries(types.map(type => [nameOf(type), columnValue(type)])), { requiredKeys: [] })
export type Seed = Readonly<Record<string, unknown>>

/** Keys that sort, quote and escape in different ways. */
const keys: readonly Row[] = [
  { id: 'k', n: '0' },
  { id: 'k', n: '9223372036854775807' },
  { id: '', n: '-9223372036854775808' },
  { id: '💡\u{10ffff}', n: '9007199254740993' },
  { id: 'x'.repeat(200), n: '1' },
  { id: 'it\'s "quoted"\\\n', n: '0' },
  { id: 'NaN', n: '-1' },
]
const key = fc.nat(keys.length - 1)
export const keyOf = (index: number): Row => keys[index] ?? {}

const idColumns = (required: boolean): readonly Column[] => [
  { name: 'id', type: 'String', required, field: 1 },
  { name: 'n', type: 'Int64', required, field: 2 },
]

/** The first schema: the key columns, or the same without being a key, and a few others. */
const firstSchema = (keyed: boolean): fc.Arbitrary<TableSchema> =>
  fc.subarray([...types], { minLength: 1, maxLength: 9 }).map(some => ({
    number: 1,
    columns: [
      ...idColumns(keyed),
      ...some.map((type, index) => ({ name: `v${index}`, ...type, required: false, field: index + 3 })),
    ],
    retired: [],
    primaryKey: keyed ? ['id', 'n'] : [],
  }))

/** What a client that knows this schema sends under a key; nothing for columns without a value. */
export function rowFrom({ columns }: TableSchema, given: Seed, id: Row): Readonly<Record<string, unknown>> {
  const values = columns.filter(({ name }) => !(name in id)).map(column => [column.name, given[nameOf(column)]])
  return { ...Object.fromEntries(values), ...id }
}

export type Change = { readonly key: number; readonly op: 'put' | 'delete'; readonly seed: Seed }
export type Command =
  /** `behind`: by somebody who has not heard of the last schemas. */
  | { readonly kind: 'write'; readonly changes: readonly Change[]; readonly behind: number }
  /** A key that comes and goes, or goes and comes back. */
  | { readonly kind: 'blink'; readonly key: number; readonly ops: readonly ('put' | 'delete')[]; readonly seed: Seed }
  | { readonly kind: 'add'; readonly type: ColumnType }
  | { readonly kind: 'retire'; readonly which: number }
  | Archive
  | { readonly kind: 'clean'; readonly share: number }
  | { readonly kind: 'purge'; readonly readerLost: boolean }
  | { readonly kind: 'look'; readonly which: number }

export type Archive = {
  readonly kind: 'archive'
  /** A version for each batch, or one for all that were written since. */
  readonly each: boolean
  /** The archiver has lost what it knew. */
  readonly lost: boolean
  readonly checkpointVersions: number
  /** How far the archiver's clock has moved since. */
  readonly minutes: number
}

const ofKind = <K extends Command['kind']>(kind: K) => fc.constant(kind)
const change: fc.Arbitrary<Change> = fc.record({ key, op: fc.constantFrom('put', 'put', 'put', 'delete'), seed })
const archive: fc.Arbitrary<Archive> = fc.record({
  kind: ofKind('archive'),
  each: fc.boolean(),
  lost: fc.constantFrom(false, false, true),
  checkpointVersions: fc.integer({ min: 1, max: 4 }),
  minutes: fc.constantFrom(1, 60, 0, -30),
})
const weighted = (weight: number, arbitrary: fc.Arbitrary<Command>) => ({ weight, arbitrary })
const command: fc.Arbitrary<Command> = fc.oneof(
  weighted(
    10,
    fc.record({
      kind: ofKind('write'),
      changes: fc.uniqueArray(change, { selector: one => one.key, minLength: 1, maxLength: 5 }),
      behind: fc.constantFrom(0, 0, 1, 2),
    }),
  ),
  weighted(
    2,
    fc.record({
      kind: ofKind('blink'),
      key,
      ops: fc.constantFrom(['put', 'delete'] as const, ['delete', 'put'] as const, ['put', 'delete', 'put'] as const),
      seed,
    }),
  ),
  weighted(1, fc.record({ kind: ofKind('add'), type: fc.constantFrom(...types) })),
  weighted(1, fc.record({ kind: ofKind('retire'), which: fc.nat(9) })),
  weighted(4, archive),
  weighted(1, fc.record({ kind: ofKind('clean'), share: fc.constantFrom(0.5, 1) })),
  weighted(1, fc.record({ kind: ofKind('purge'), readerLost: fc.boolean() })),
  weighted(1, fc.record({ kind: ofKind('look'), which: fc.nat(9) })),
)

export type RandomHistory = {
  readonly schema: TableSchema
  /** The store overwrites what it was asked not to, so that versions of the lake are claimed. */
  readonly claims: boolean
  readonly commands: readonly Command[]
  /** How all is archived in the end, and which version is looked at beside the newest. */
  readonly end: Archive
  readonly which: number
}

export const randomHistory = (keyed: boolean): fc.Arbitrary<RandomHistory> =>
  fc.record({
    schema: firstSchema(keyed),
    claims: fc.boolean(),
    commands: fc.array(command, { minLength: 10, maxLength: 30 }),
    end: archive,
    which: fc.nat(9),
  })
