/** What a predicate may not hold, and where the refusal says it stands. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { testSchema } from './arbitrary.ts'
import { parsePredicate } from './parse.ts'

/** Text, position and a part of the problem. */
const refused: readonly (readonly [text: string, position: number, problem: RegExp])[] = [
  ['', 1, /end of input/],
  ['   ', 4, /end of input/],
  ['s =', 4, /end of input/],
  ["s = 'a' ORDER BY s", 18, /ORDER BY/],
  ["s = 'a' LIMIT 1", 15, /ORDER BY, LIMIT or DISTINCT/],
  ["s = 'a' GROUP BY s", 18, /GROUP BY/],
  ["s = 'a' GROUP BY ALL", 1, /GROUP BY/],
  ["s = 'a' HAVING b", 16, /HAVING/],
  ["s = 'a' QUALIFY b", 17, /QUALIFY/],
  ["s = 'a' USING SAMPLE 5", 1, /a sample/],
  ["s = 'a' WINDOW w AS () QUALIFY row_number() OVER w = 1", 52, /QUALIFY/],
  ["s = 'a' UNION SELECT * FROM t", 1, /UNION/],
  ["s = 'a' EXCEPT SELECT * FROM t WHERE b", 1, /EXCEPT/],
  ["s = 'a'; SELECT 1", 8, /more than one statement/],
  ["s = 'a'; DROP TABLE t", 1, /Only SELECT/],
  ["s = 'a') OR (b", 8, /syntax error/],
  ['b) ; --', 2, /syntax error/],
  ["s = 'a' /* open", 9, /unterminated/],
  ["s = 'open", 5, /unterminated/],
  ['i IN (SELECT 1)', 3, /subquery/],
  ['EXISTS (SELECT 1)', 1, /subquery/],
  ['i = (SELECT 1)', 5, /subquery/],
  ['i = ANY ([1])', 3, /subquery/],
  ["claim('region') = s", 1, /function claim/],
  ["lower(s) = 'a'", 1, /function lower/],
  ["s ILIKE 'a'", 3, /ILIKE/],
  ["s LIKE 'a' ESCAPE '$'", 3, /ESCAPE/],
  ["s ~ 'a'", 3, /regular expression/],
  ["s SIMILAR TO 'a'", 3, /regular expression/],
  ["s GLOB 'a'", 3, /GLOB/],
  ['i + 1 = 2', 3, /operator \+/],
  ['i = 1 + 1', 7, /operator \+/],
  ["s || 'a' = 'a'", 3, /operator \|\|/],
  ['i = $1', 3, /parameter \$1/],
  ['i = ?', 3, /parameter \$1/],
  ['CASE WHEN b THEN true END', 1, /CASE/],
  ['CAST(i AS VARCHAR) = 1', 1, /cast/],
  ["i = TRY_CAST('1' AS INTEGER)", 5, /cast/],
  ["i = '1'::TINYINT", 8, /cast/],
  ["i = ('1'::INTEGER)::BIGINT", 19, /cast/],
  ["s = 'a' COLLATE nocase", 5, /COLLATE/],
  ['i IS DISTINCT FROM 1', 3, /IS DISTINCT FROM/],
  ['b IS TRUE', 3, /IS TRUE/],
  ['(b AND b) IS NULL', 4, /take a column/],
  ['t.i = 1', 1, /without a table/],
  ['nothing = 1', 1, /no column nothing/],
  ['"I " = 1', 1, /no column I /],
  ['rowid = 1', 1, /no column rowid/],
  ["s = 'é😀' AND nothing = 1", 14, /no column nothing/],
  ["s = 'é😀' AND i >", 17, /end of input/],
  ['i', 1, /not a condition/],
  ['1', 1, /literal/],
  ["'a'", 1, /literal/],
  ['*', 1, /\*/],
  ['#1', 1, /by its number/],
  ['i = 1e400', 1, /out of range/],
  ['1 = 1', 3, /must be a column/],
  ['s = 1', 3, /cannot be compared/],
  ["s = DATE '2020-01-01'", 3, /cannot be compared/],
  ['b = 1', 3, /cannot be compared/],
  ['i = s', 3, /cannot be compared/],
  ["i = 'a'", 5, /'a' cannot be read as INTEGER/],
  ["i IN (1, '2')", 10, /quoted number/],
  ["i = '1'::VARCHAR", 3, /cannot be compared/],
  ["day = '2020-13-01'", 7, /cannot be read as DATE/],
  ["day = '10000-01-01'", 7, /outside the years/],
  ["day = 'infinity'", 7, /outside the years/],
  ["t = TIMESTAMP '0044-03-15 (BC) 00:00:00'", 15, /outside the years/],
  ["u = 'x'", 5, /cannot be read as UUID/],
  ["bin = 'x'", 1, /only be tested with IS NULL/],
  ['whole = frac', 7, /76 digits/],
  ['i LIKE 1', 3, /String column/],
  ['s LIKE s2', 8, /quoted pattern/],
  ["'a' LIKE s", 5, /String column/],
  ["s = 'a\0b'", 1, /NUL/],
  ["s = '\ud800'", 1, /Unicode/],
  [`s = '${'a'.repeat(20_000)}'`, 1, /longer than/],
  [`${'NOT '.repeat(3_000)}b`, 1, /depth/],
]

for (const [text, position, problem] of refused) {
  test(`${JSON.stringify(text.slice(0, 60))} is refused`, async () => {
    const error: unknown = await parsePredicate(text, testSchema).then(
      () => undefined,
      refusal => refusal,
    )
    assert.ok(isBlastyError(error, 'INVALID_PREDICATE'), String(error))
    assert.match(error.message, problem)
    assert.equal(error.details.position, position, error.message)
  })
}
