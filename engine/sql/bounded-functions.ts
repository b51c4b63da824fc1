/**
 * DuckDB's functions that make much of little, or take a time that grows with the square of a text or worse, under their own names
 * and with bounds. DuckDB looks whether a query is interrupted between blocks of 2,048 rows, and does not count the memory of a
 * block against its limit: without bounds one call could take all memory or a thread for good.
 */

import type { Macro } from './macro.ts'
import { quoteText } from './quote.ts'

/** Longest text that padding and repeating make, longest list that is reduced. */
const maxMade = 10_000
/** Most that two lengths in bytes multiply to. */
const maxProduct = 1_000_000
/** Longest pattern of LIKE, in characters. */
const maxPattern = 1_000

const checked = (problem: string, isTooMuch: string, otherwise: string): string =>
  `CASE WHEN ${isTooMuch} THEN error(${quoteText(problem)}) ELSE ${otherwise} END`

/** The function with arguments of these names, the one at `index` checked against a limit. */
function limited(
  name: string,
  parameters: readonly string[],
  index: number,
  isTooMuch: string,
): Macro['forms'][number] {
  const given = parameters[index] ?? ''
  const args = parameters.with(index, checked(`${name}: more than ${maxMade}`, isTooMuch, given))
  return { parameters, body: `system.main.${name}(${args.join(', ')})` }
}

const padding = (name: string): Macro => ({
  name,
  forms: [limited(name, ['s', 'n', 'p'], 1, `n > ${maxMade}`)],
})

const comparing = (name: string, others: readonly string[] = []): Macro => ({
  name,
  forms: [['a', 'b'], ...(others.length > 0 ? [['a', 'b', ...others]] : [])].map(parameters => ({
    parameters,
    body: checked(
      `${name}: the texts are too long`,
      `strlen(a) * strlen(b) > ${maxProduct}`,
      `system.main.${name}(${parameters.join(', ')})`,
    ),
  })),
})

/** It calls itself for each level of JSON, and the stack has an end. */
const shallow = (name: string, forms: readonly (readonly string[])[]): Macro => ({
  name,
  forms: forms.map(parameters => ({
    parameters,
    body: checked(
      `${name}: a text is longer than ${maxMade} bytes`,
      parameters.map(text => `strlen(${text}) > ${maxMade}`).join(' OR '),
      `system.main.${name}(${parameters.join(', ')})`,
    ),
  })),
})

const reducing = (name: string): Macro => ({
  name,
  forms: [
    ['l', 'f'],
    ['l', 'f', 'i'],
  ].map(parameters => limited(name, parameters, 0, `len(l) > ${maxMade}`)),
})

/** DuckDB's LIKE takes exponential time over patterns with many `%`; these it matches in linear time. */
const simplePattern = '[^%]*%?[^%]*|%[^%_]*%'
/** The pattern as a regular expression, for which time is linear in the text. */
const asRegex = (pattern: string): string =>
  String.raw`replace(replace(regexp_escape(${pattern}), '\%', '.*'), '_', '.')`
/** The same where a character before `%`, `_` or itself makes it plain. */
const asRegexWithEscape = `array_to_string(list_transform(regexp_extract_all(p, '(?s)' || CASE WHEN e = '' THEN '' ELSE regexp_escape(e) || '.|' END || '.'),
  lambda c: CASE WHEN length(c) = 2 THEN regexp_escape(c[2]) WHEN c = '%' THEN '.*' WHEN c = '_' THEN '.' ELSE regexp_escape(c) END), '')`

/**
 * Names by operator of the forms of LIKE that take linear time over any pattern. They are put in the place of DuckDB's where the
 * pattern is not one of a literal that DuckDB's matches as fast or faster.
 */
export const boundedLike: ReadonlyMap<string, string> = new Map([
  ['~~', '_blasty_like'],
  ['!~~', '_blasty_not_like'],
  ['~~*', '_blasty_ilike'],
  ['!~~*', '_blasty_not_ilike'],
])

/** Whether DuckDB's LIKE takes linear time over a pattern that it knows beforehand. */
export function isQuickPattern(pattern: string): boolean {
  return pattern.length <= maxPattern && (!pattern.includes('_') || (pattern.match(/%/g)?.length ?? 0) <= 1)
}

const fullMatch = (text: string, regex: string): string => `regexp_full_match(${text}, ${regex}, 's')`

/** For patterns that are no literals, or that DuckDB would be slow over. `name` is that of DuckDB's operator. */
function like(name: string, { folded, negated }: { folded: boolean; negated: boolean }): Macro {
  const of = (argument: string) => (folded ? `lower(${argument})` : argument)
  const slow = fullMatch(of('s'), asRegex(of('p')))
  const quick = `system.main."${name}"(s, p)`
  const body = `CASE WHEN ${fullMatch('p', quoteText(simplePattern))} THEN ${quick} ELSE ${negated ? `NOT ${slow}` : slow} END`
  return {
    name: boundedLike.get(name) ?? name,
    forms: [
      { parameters: ['s', 'p'], body: checked('LIKE: the pattern is too long', `length(p) > ${maxPattern}`, body) },
    ],
  }
}

function likeEscape(name: string, { folded, negated }: { folded: boolean; negated: boolean }): Macro {
  const matches = fullMatch('s', asRegexWithEscape).replace(", 's')", folded ? ", 'si')" : ", 's')")
  const body = negated ? `NOT ${matches}` : matches
  return {
    name,
    forms: [
      {
        parameters: ['s', 'p', 'e'],
        body: checked('LIKE: the pattern is too long', `length(p) > ${maxPattern} OR length(e) > 1`, body),
      },
    ],
  }
}

const plain = { folded: false, negated: false }
const no = { folded: false, negated: true }
const anyCase = { folded: true, negated: false }
const noInAnyCase = { folded: true, negated: true }

/** Macros of the names of DuckDB's functions, which they call as `system.main.…`. */
export const boundedFunctions: readonly Macro[] = [
  { name: 'repeat', forms: [limited('repeat', ['s', 'n'], 1, `len(s) * n > ${maxMade}`)] },
  padding('lpad'),
  padding('rpad'),
  {
    name: 'bar',
    forms: [
      { parameters: ['x', 'low', 'high'], body: 'system.main.bar(x, low, high)' },
      limited('bar', ['x', 'low', 'high', 'n'], 3, `n > ${maxMade}`),
    ],
  },
  {
    name: 'replace',
    forms: [
      {
        parameters: ['s', 'f', 't'],
        body: checked(
          'replace: the replacement is too long for so long a text',
          `strlen(t) > 4 * greatest(strlen(f), 1) AND strlen(s) * strlen(t) > ${maxProduct}`,
          'system.main.replace(s, f, t)',
        ),
      },
    ],
  },
  shallow('json_contains', [['a', 'b']]),
  shallow('json_merge_patch', [
    ['a', 'b'],
    ['a', 'b', 'c'],
  ]),
  ...['levenshtein', 'editdist3', 'damerau_levenshtein'].map(name => comparing(name)),
  ...['jaro_similarity', 'jaro_winkler_similarity'].map(name => comparing(name, ['cutoff'])),
  ...['list_reduce', 'array_reduce', 'reduce'].map(reducing),
  like('~~', plain),
  like('!~~', no),
  like('~~*', anyCase),
  like('!~~*', noInAnyCase),
  likeEscape('like_escape', plain),
  likeEscape('not_like_escape', no),
  likeEscape('ilike_escape', anyCase),
  likeEscape('not_ilike_escape', noInAnyCase),
]
