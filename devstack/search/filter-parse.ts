/** The grammar of filter expressions: text to tree. */
import { ApiError, type Code } from './errors.ts'
import { type Lexeme, lex } from './filter-lex.ts'
import type { Point } from './geo.ts'
import type { Json } from './json.ts'

export type Comparison = '=' | '!=' | '>' | '>=' | '<' | '<='

export type Filter =
  | { op: 'and' | 'or'; of: Filter[] }
  | { op: 'not'; of: Filter }
  | { op: Comparison; field: string; value: string }
  | { op: 'to'; field: string; from: string; to: string }
  | { op: 'in'; field: string; values: string[] }
  | { op: 'exists' | 'null' | 'empty'; field: string }
  | { op: 'startsWith'; field: string; value: string }
  | { op: 'radius'; centre: Point; metres: number }
  | { op: 'box'; topRight: Point; bottomLeft: Point }
  | { op: 'polygon'; corners: Point[] }

const keywords = new Set([
  'AND',
  'OR',
  'NOT',
  'IN',
  'TO',
  'EXISTS',
  'IS',
  'NULL',
  'EMPTY',
  'CONTAINS',
  'STARTS',
  'WITH',
])
const comparisons: readonly string[] = ['=', '!=', '>', '>=', '<', '<=']
const isComparison = (text: string): text is Comparison => comparisons.includes(text)
const negative = { op: 'not' } as const

/** How deep brackets and NOT may nest. */
const DEPTH = 200

class Parser {
  readonly #input: string
  readonly #code: Code
  readonly #lexemes: Lexeme[]
  #at = 0
  #depth = 0

  constructor(input: string, code: Code) {
    this.#input = input
    this.#code = code
    this.#lexemes = lex(input, (message, start, end) => this.#fail(message, start, end))
  }

  parse(): Filter | undefined {
    if (this.#peek().kind === 'end') return undefined
    const tree = this.#or()
    const rest = this.#peek()
    if (rest.kind === 'end') return tree
    throw this.#fail(
      `Found unexpected characters at the end of the filter: \`${this.#input.slice(rest.start)}\`. You probably forgot an \`OR\` or an \`AND\` rule.`,
      rest.start,
      this.#input.length,
    )
  }

  #fail(message: string, start: number, end: number): ApiError {
    return new ApiError(this.#code, `${message}\n${start + 1}:${end + 1} ${this.#input}`)
  }

  #peek(): Lexeme {
    return this.#lexemes[this.#at] ?? { kind: 'end', text: '', start: this.#input.length, end: this.#input.length }
  }

  #next(): Lexeme {
    const lexeme = this.#peek()
    this.#at++
    return lexeme
  }

  /** Takes the next lexeme when it is this keyword or symbol. */
  #take(text: string): boolean {
    const { kind, text: found } = this.#peek()
    if (found !== text || kind === 'quoted' || kind === 'end') return false
    this.#at++
    return true
  }

  #expect(text: string): void {
    if (this.#take(text)) return
    const { start, end } = this.#peek()
    throw this.#fail(
      `Expression \`${this.#input.slice(0, start)}\` is missing the following closing delimiter: \`${text}\`.`,
      start,
      end,
    )
  }

  #or(): Filter {
    const of = [this.#and()]
    while (this.#take('OR')) of.push(this.#and())
    return of.length === 1 && of[0] ? of[0] : { op: 'or', of }
  }

  #and(): Filter {
    const of = [this.#not()]
    while (this.#take('AND')) of.push(this.#not())
    return of.length === 1 && of[0] ? of[0] : { op: 'and', of }
  }

  #not(): Filter {
    if (++this.#depth > DEPTH) {
      throw this.#fail(
        `The filter exceeded the maximum depth limit. Try rewriting the filter so that it contains fewer nested conditions.`,
        0,
        this.#input.length,
      )
    }
    const tree: Filter = this.#take('NOT') ? { ...negative, of: this.#not() } : this.#primary()
    this.#depth--
    return tree
  }

  #primary(): Filter {
    if (this.#take('(')) {
      const tree = this.#or()
      this.#expect(')')
      return tree
    }
    const { kind, text } = this.#peek()
    if (kind === 'word' && text.startsWith('_geo') && this.#lexemes[this.#at + 1]?.text === '(') return this.#geo(text)
    return this.#condition()
  }

  #value(): string {
    const { kind, text, start, end } = this.#peek()
    if (kind === 'quoted' || (kind === 'word' && !keywords.has(text))) {
      this.#at++
      return text
    }
    if (kind === 'end') throw this.#fail('Was expecting a value but instead got nothing.', start, end)
    if (kind === 'word') {
      throw this.#fail(
        `Was expecting a value but instead got \`${text}\`, which is a reserved keyword. To use \`${text}\` as a field name or a value, surround it by quotes.`,
        start,
        end,
      )
    }
    throw this.#fail(`Was expecting a value but instead got \`${text}\`.`, start, end)
  }

  #condition(): Filter {
    const start = this.#peek().start
    const field = this.#value()
    const { kind, text } = this.#peek()
    if (kind === 'symbol' && isComparison(text)) {
      this.#at++
      return { op: text, field, value: this.#value() }
    }
    if (this.#take('IS')) {
      const not = this.#take('NOT')
      const op = this.#take('NULL') ? 'null' : this.#take('EMPTY') ? 'empty' : undefined
      if (op) return not ? { ...negative, of: { op, field } } : { op, field }
    } else if (this.#take('NOT')) {
      const of = this.#operator(field)
      if (of) return { ...negative, of }
    } else {
      const operator = this.#operator(field)
      if (operator) return operator
      if (kind === 'quoted' || (kind === 'word' && !keywords.has(text))) {
        const from = this.#value()
        if (this.#take('TO')) return { op: 'to', field, from, to: this.#value() }
      }
    }
    const end = this.#peek().start
    throw this.#fail(
      `Was expecting an operation \`=\`, \`!=\`, \`>=\`, \`>\`, \`<=\`, \`<\`, \`IN\`, \`NOT IN\`, \`TO\`, \`EXISTS\`, \`NOT EXISTS\`, \`IS NULL\`, \`IS NOT NULL\`, \`IS EMPTY\`, \`IS NOT EMPTY\`, \`CONTAINS\`, \`NOT CONTAINS\`, \`STARTS WITH\`, \`NOT STARTS WITH\`, \`_geoRadius\`, or \`_geoBoundingBox\` at \`${this.#input.slice(start)}\`.`,
      start,
      Math.max(end, this.#input.length),
    )
  }

  /** The operators that NOT may precede. */
  #operator(field: string): Filter | undefined {
    const { start, end } = this.#peek()
    if (this.#take('EXISTS')) return { op: 'exists', field }
    if (this.#take('IN')) return { op: 'in', field, values: this.#list() }
    if (this.#take('STARTS')) {
      this.#expect('WITH')
      return { op: 'startsWith', field, value: this.#value() }
    }
    if (this.#take('CONTAINS')) {
      const text =
        'Using `CONTAINS` in a filter requires enabling the `contains filter` experimental feature. See https://github.com/orgs/meilisearch/discussions/763'
      throw new ApiError('feature_not_enabled', `${text}\n${start + 1}:${end + 1} ${this.#input}`)
    }
    return undefined
  }

  #list(): string[] {
    this.#expect('[')
    const values: string[] = []
    while (!this.#take(']')) {
      values.push(this.#value())
      if (!this.#take(',') && this.#peek().text !== ']') this.#expect(']')
    }
    return values
  }

  #geo(name: string): Filter {
    this.#at += 2
    if (name === '_geoRadius') {
      const given = this.#numbers(')')
      if (given.length < 3 || given.length > 4) throw this.#arguments('3 or 4', name, given.length)
      return { op: 'radius', centre: this.#point(given), metres: given[2] ?? 0 }
    }
    const points: Point[] = []
    while (!this.#take(')')) {
      this.#expect('[')
      points.push(this.#point(this.#numbers(']')))
      this.#take(',')
    }
    const [topRight, bottomLeft] = points
    if (name === '_geoBoundingBox') {
      if (!topRight || !bottomLeft || points.length !== 2) throw this.#arguments('2', name, points.length)
      return { op: 'box', topRight, bottomLeft }
    }
    if (name === '_geoPolygon') {
      if (points.length < 3) throw this.#arguments('at least 3', name, points.length)
      return { op: 'polygon', corners: points }
    }
    throw this.#fail(`\`${name}\` is a reserved keyword and thus can't be used as a filter expression.`, 0, name.length)
  }

  #arguments(expected: string, name: string, found: number): ApiError {
    const at = this.#input.length
    return this.#fail(`Was expecting ${expected} arguments for \`${name}\`, but instead found ${found}.`, at, at)
  }

  #numbers(close: string): number[] {
    const numbers: number[] = []
    while (!this.#take(close)) {
      const { text, start, end } = this.#next()
      const number = text === '' ? Number.NaN : Number(text)
      if (!Number.isFinite(number)) throw this.#fail(`Was expecting a number but instead got \`${text}\`.`, start, end)
      numbers.push(number)
      if (!this.#take(',') && this.#peek().text !== close) this.#expect(close)
    }
    return numbers
  }

  #point([lat, lng]: number[]): Point {
    if (lat === undefined || lng === undefined)
      throw this.#fail('Was expecting a latitude and a longitude.', 0, this.#input.length)
    if (Math.abs(lat) > 90)
      throw this.#fail(
        `Bad latitude \`${lat}\`. Latitude must be contained between -90 and 90 degrees.`,
        0,
        this.#input.length,
      )
    if (Math.abs(lng) > 180)
      throw this.#fail(
        `Bad longitude \`${lng}\`. Longitude must be contained between -180 and 180 degrees.`,
        0,
        this.#input.length,
      )
    return { lat, lng }
  }
}

/** A filter in any of its forms: one expression, or an array (AND) of expressions and arrays (OR) of expressions. */
export function parseFilter(filter: Json, code: Code): Filter | undefined {
  if (filter === null) return undefined
  if (typeof filter === 'string') return new Parser(filter, code).parse()
  const problem = (): ApiError =>
    new ApiError(
      code,
      `Invalid syntax for the filter parameter: \`expected String, Array, found: ${JSON.stringify(filter)}\`.`,
    )
  if (!Array.isArray(filter)) throw problem()
  const all: Filter[] = []
  for (const item of filter) {
    if (typeof item === 'string') {
      const tree = parseFilter(item, code)
      if (tree) all.push(tree)
    } else if (Array.isArray(item)) {
      const any = item.flatMap(one => {
        if (typeof one !== 'string') throw problem()
        return parseFilter(one, code) ?? []
      })
      if (any.length > 0) all.push({ op: 'or', of: any })
    } else throw problem()
  }
  return all.length === 0 ? undefined : { op: 'and', of: all }
}
