/** Texts of predicates over the test schema, for the property tests. */

import fc from '../../test/random.ts'
import type { Column, Json } from '../schema/schema.ts'
import { quoteText } from '../sql/quote.ts'
import { canonical, date, decimal, double, int32, int64, testSchema, text, timestamp, uuids } from './arbitrary.ts'

const bareNumber = fc.oneof(
  int32.map(String),
  int64,
  decimal(5, 2),
  decimal(38, 10),
  decimal(20, 18),
  fc.constantFrom(
    '1e5',
    '1e0',
    '1.5e0',
    '9007199254740993',
    '9007199254740992e0',
    '99999999999999999999',
    '0.1',
    '0.1e0',
    '1e-7',
    '3.14159265358979323846',
    '170141183460469231731687303715884105728',
    '-9223372036854775809',
    '1e30',
  ),
)

/** Text of a literal that may be compared with the column. */
function literalFor(column: Column): fc.Arbitrary<string> {
  const quoted = (values: fc.Arbitrary<Json>) => values.map(value => quoteText(String(value)))
  switch (column.type) {
    case 'Int32':
    case 'Int64':
    case 'Decimal':
      return fc.oneof({ weight: 4, arbitrary: bareNumber }, { weight: 1, arbitrary: canonical(column).map(String) })
    case 'Double':
      return fc.oneof(bareNumber, quoted(double), fc.constant("'nan'::DOUBLE"))
    case 'Boolean':
      return fc.constantFrom('true', 'FALSE', "'t'", "'no'")
    case 'Date':
    case 'Timestamp':
      return fc.oneof(
        quoted(date),
        quoted(date).map(d => `DATE ${d}`),
        quoted(timestamp).map(t => `TIMESTAMPTZ ${t}`),
        quoted(timestamp).map(t => `TIMESTAMP ${t}`),
      )
    case 'UUID':
      return fc.oneof(
        quoted(fc.constantFrom(...uuids)),
        quoted(fc.constantFrom(...uuids)).map(u => `${u}::UUID`),
      )
    default:
      return quoted(text)
  }
}

const comparable = testSchema.columns.filter(c => c.type !== 'Bytes')
const operator = fc.constantFrom('=', '<>', '!=', '<', '<=', '>', '>=')
const not = fc.constantFrom('', 'NOT ')
const pattern = fc
  .array(fc.constantFrom('%', '_', 'a', 'b', 'é', '\u{1F600}', 'A', ' ', "'", '\\'), { maxLength: 5 })
  .map(parts => quoteText(parts.join('')))

const families: readonly (readonly string[])[] = [
  ['s', 's2'],
  ['i', 'l', 'l2', 'd', 'n', 'n4', 'n18', 'wide', 'whole', 'frac'],
  ['day', 't'],
]

const leaf: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(...comparable).chain(c =>
      fc.oneof(
        { weight: 6, arbitrary: fc.tuple(operator, literalFor(c)).map(([op, value]) => `${c.name} ${op} ${value}`) },
        { weight: 1, arbitrary: fc.tuple(operator, literalFor(c)).map(([op, value]) => `${value} ${op} ${c.name}`) },
        {
          weight: 2,
          arbitrary: fc
            .tuple(
              not,
              fc.array(
                fc.oneof({ weight: 5, arbitrary: literalFor(c) }, { weight: 1, arbitrary: fc.constant('NULL') }),
                { minLength: 1, maxLength: 4 },
              ),
            )
            .map(([no, list]) => `${c.name} ${no}IN (${list.join(', ')})`),
        },
        {
          weight: 2,
          arbitrary: fc
            .tuple(
              not,
              literalFor(c),
              fc.oneof({ weight: 5, arbitrary: literalFor(c) }, { weight: 1, arbitrary: fc.constant('NULL') }),
            )
            .map(([no, low, high]) => `${c.name} ${no}BETWEEN ${low} AND ${high}`),
        },
      ),
    ),
  },
  fc.tuple(fc.constantFrom(...testSchema.columns), not).map(([c, no]) => `${c.name} IS ${no}NULL`),
  fc.tuple(not, pattern).map(([no, like]) => `s ${no}LIKE ${like}`),
  fc
    .constantFrom(...families)
    .chain(names => fc.tuple(fc.constantFrom(...names), operator, fc.constantFrom(...names)))
    .map(([a, op, b]) => `${a} ${op} ${b}`),
  fc.constantFrom('b', 'TRUE', 'NULL'),
)

/** Text of a predicate over `testSchema`; some are refused, as literals of different kinds may meet. */
export const predicateText: fc.Arbitrary<string> = fc.letrec<{ node: string }>(tie => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    tie('node').map(child => `NOT (${child})`),
    fc.tuple(tie('node'), fc.constantFrom('AND', 'OR'), tie('node')).map(([a, op, b]) => `(${a}) ${op} (${b})`),
  ),
})).node
