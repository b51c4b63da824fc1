/** Expressions of DuckDB's tree in Trino's words. What is not named here is refused. */

import type { DuckDBValue } from '@duckdb/node-api'
import { boundedLike } from '../bounded-functions.ts'
import { foldName } from '../quote.ts'
import { isNode, listAt, nodeAt, nodesAt, type TreeNode, textAt } from '../tree.ts'
import { aggregates, calls } from './calls.ts'
import { literalOf, parameterTerm } from './literals.ts'
import { arithmetic, as, type Comparison, cast, compare, together, within } from './operators.ts'
import { noColumn, type SourceScope } from './scope.ts'
import { isComparable, isNumeric, type SqlType, type Term, untranslated } from './types.ts'

const comparisons: Readonly<Record<string, Comparison>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}

const castTypes: Readonly<Record<string, SqlType>> = {
  BOOLEAN: { kind: 'Boolean' },
  INTEGER: { kind: 'Int32' },
  BIGINT: { kind: 'Int64' },
  DOUBLE: { kind: 'Double' },
  VARCHAR: { kind: 'String' },
  UUID: { kind: 'UUID' },
  DATE: { kind: 'Date' },
  // One without a zone is in UTC, as in the embedded engine.
  TIMESTAMP: { kind: 'Timestamp' },
  'TIMESTAMP WITH TIME ZONE': { kind: 'Timestamp' },
}

/** Deeper trees than this are refused. */
const maxDepth = 200

export class Expressions {
  readonly #scope: SourceScope
  readonly #parameters: Readonly<Record<string, DuckDBValue>>
  /** Names that the SELECT list gives, lower case. */
  readonly #aliases: ReadonlySet<string>

  constructor(scope: SourceScope, parameters: Readonly<Record<string, DuckDBValue>>, aliases: ReadonlySet<string>) {
    this.#scope = scope
    this.#parameters = parameters
    this.#aliases = aliases
  }

  /** A condition, as after WHERE, ON and HAVING. */
  condition(node: TreeNode, depth = 0): Term {
    const found = as(this.term(node, depth), { kind: 'Boolean' })
    return found.type.kind === 'Boolean' ? found : untranslated('a condition that is no BOOLEAN')
  }

  /** Throws UNSUPPORTED, QUERY_FAILED. */
  term(node: TreeNode, depth = 0): Term {
    if (depth > maxDepth) untranslated('an expression nested so deeply')
    const inner = (child: TreeNode) => this.term(child, depth + 1)
    switch (node.class) {
      case 'CONSTANT':
        return literalOf(node)
      case 'PARAMETER':
        return this.#parameter(textAt(node, 'identifier'))
      case 'COLUMN_REF':
        return this.#column(listAt(node, 'column_names').map(String))
      case 'COMPARISON': {
        const operator = comparisons[textAt(node, 'type')]
        if (operator === undefined) return untranslated('IS DISTINCT FROM')
        return compare(operator, inner(nodeAt(node, 'left')), inner(nodeAt(node, 'right')))
      }
      case 'BETWEEN': {
        const [of, lower, upper] = [
          inner(nodeAt(node, 'input')),
          inner(nodeAt(node, 'lower')),
          inner(nodeAt(node, 'upper')),
        ]
        return both('AND', [compare('>=', of, lower), compare('<=', of, upper)])
      }
      case 'CONJUNCTION':
        return both(
          node.type === 'CONJUNCTION_OR' ? 'OR' : 'AND',
          nodesAt(node, 'children').map(child => this.condition(child, depth + 1)),
        )
      case 'CASE':
        return this.#case(node, depth)
      case 'CAST':
        return this.#cast(node, depth)
      case 'OPERATOR':
        return this.#operator(node, depth)
      case 'FUNCTION':
        return this.#function(node, depth)
      case 'SUBQUERY':
        return untranslated('a subquery', 'join the Tables')
      case 'WINDOW':
        return untranslated('a window function')
      default:
        return untranslated(`this kind of expression (${String(node.class)})`)
    }
  }

  /** The column of that name, where there is just one. */
  tryColumn(name: string): Term | undefined {
    return this.#scope.find([name])
  }

  #parameter(name: string): Term {
    const value = Object.hasOwn(this.#parameters, name) ? this.#parameters[name] : undefined
    return value === undefined ? untranslated(`a parameter without a value, $${name},`) : parameterTerm(value)
  }

  #column(parts: readonly string[]): Term {
    const found = this.#scope.find(parts)
    if (found !== undefined) return found
    const [name = ''] = parts
    if (parts.length === 1 && this.#aliases.has(foldName(name)))
      return untranslated(`${name}, a name that the SELECT list gives, in an expression`, 'write what it stands for')
    throw noColumn(parts.join('.'))
  }

  #case(node: TreeNode, depth: number): Term {
    const checks = nodesAt(node, 'case_checks')
    const when = checks.map(check => this.condition(nodeAt(check, 'when_expr'), depth + 1))
    const { terms } = together(
      [...checks.map(check => nodeAt(check, 'then_expr')), nodeAt(node, 'else_expr')].map(child =>
        this.term(child, depth + 1),
      ),
    )
    const otherwise = terms.at(-1)
    if (otherwise === undefined) return untranslated('this CASE')
    const branches = when.map((condition, index) => `WHEN ${condition.sql} THEN ${terms[index]?.sql ?? 'NULL'}`)
    return {
      sql: `CASE ${branches.join(' ')} ELSE ${otherwise.sql} END`,
      type: otherwise.type,
      aggregate: [...when, ...terms].some(({ aggregate }) => aggregate),
    }
  }

  #cast(node: TreeNode, depth: number): Term {
    if (node.try_cast === true) untranslated('TRY_CAST', 'cast where every value can be')
    const { id, type_info: info } = nodeAt(node, 'cast_type')
    const decimal = id === 'DECIMAL' && isNode(info) ? info : undefined
    const type: SqlType | undefined =
      decimal === undefined
        ? castTypes[String(id)]
        : { kind: 'Decimal', precision: Number(decimal.width), scale: Number(decimal.scale) }
    if (type === undefined) return untranslated(`a cast to ${String(id)}`)
    const of = this.term(nodeAt(node, 'child'), depth + 1)
    if (id === 'TIMESTAMP' && of.open === undefined) return untranslated('a cast to TIMESTAMP', 'cast to TIMESTAMPTZ')
    return cast(of, type)
  }

  #operator(node: TreeNode, depth: number): Term {
    const children = nodesAt(node, 'children')
    const terms = () => children.map(child => this.term(child, depth + 1))
    const [first] = children
    switch (node.type) {
      case 'OPERATOR_NOT': {
        if (first === undefined) break
        const of = this.condition(first, depth + 1)
        return not(of)
      }
      case 'OPERATOR_IS_NULL':
      case 'OPERATOR_IS_NOT_NULL': {
        const [of] = terms()
        if (of === undefined || of.open !== undefined) break
        const not = node.type === 'OPERATOR_IS_NULL' ? '' : 'NOT '
        return { sql: `(${of.sql} IS ${not}NULL)`, type: { kind: 'Boolean' }, aggregate: of.aggregate }
      }
      case 'COMPARE_IN':
      case 'COMPARE_NOT_IN': {
        const [of, ...list] = terms()
        if (of === undefined || list.length === 0) break
        return within(of, list, node.type === 'COMPARE_NOT_IN')
      }
      case 'OPERATOR_COALESCE': {
        const { terms: typed, type } = together(terms())
        if (!isComparable(type)) break
        const aggregate = typed.some(one => one.aggregate)
        return { sql: `COALESCE(${typed.map(({ sql }) => sql).join(', ')})`, type, aggregate }
      }
    }
    return untranslated(`this form of ${String(node.type).replace('OPERATOR_', '')}`)
  }

  #function(node: TreeNode, depth: number): Term {
    const name = foldName(textAt(node, 'function_name'))
    const ordered = listAt(nodeAt(node, 'order_bys'), 'orders').length > 0
    if (ordered) untranslated(`${name}(… ORDER BY …)`)
    const children = nodesAt(node, 'children')
    if (name === 'count_star' || (name === 'count' && children.length === 0)) {
      return { sql: `count(*)${this.#filter(node, depth)}`, type: { kind: 'Int64' }, aggregate: true }
    }
    if (Object.hasOwn(aggregates, name)) return this.#aggregate(name, node, children, depth)
    if (node.distinct === true || node.filter !== null) untranslated(`${name}() with DISTINCT or FILTER`)
    const args = children.map(child => this.term(child, depth + 1))
    const [a, b] = args
    if (a !== undefined && b !== undefined && args.length === 2) {
      if (['+', '-', '*', '/', '//', '%'].includes(name)) return arithmetic(name, a, b)
      if (likes.has(name)) return like(a, b)
      if (unlikes.has(name)) return not(like(a, b))
    }
    if (name === '-' && a !== undefined && args.length === 1) {
      if (!isNumeric(a.type) || a.open !== undefined) return untranslated('- of what is no number')
      return { sql: `(- ${a.sql})`, type: a.type, aggregate: a.aggregate, finite: a.finite === true }
    }
    const call = Object.hasOwn(calls, name) ? calls[name] : undefined
    return call === undefined ? untranslated(`the function ${name}()`) : call(args, name)
  }

  #aggregate(name: string, node: TreeNode, children: readonly TreeNode[], depth: number): Term {
    const [child, ...more] = children
    const call = aggregates[name]
    if (child === undefined || more.length > 0 || call === undefined)
      return untranslated(`${name}() with these arguments`)
    const of = this.term(child, depth + 1)
    if (of.aggregate) return untranslated('an aggregate of an aggregate')
    if (of.open !== undefined && name !== 'count') return untranslated(`${name}() of a literal`)
    if (node.distinct === true && !isComparable(of.type)) return untranslated(`DISTINCT with ${of.type.kind}`)
    const over = (sql: string): string => (node.distinct === true ? `DISTINCT ${sql}` : sql)
    return { ...call(of, over, this.#filter(node, depth)), aggregate: true }
  }

  #filter(node: TreeNode, depth: number): string {
    if (!isNode(node.filter)) return ''
    const condition = this.condition(node.filter, depth + 1)
    if (condition.aggregate) untranslated('an aggregate in FILTER')
    return ` FILTER (WHERE ${condition.sql})`
  }
}

function both(word: 'AND' | 'OR', terms: readonly Term[]): Term {
  const sql = `(${terms.map(term => term.sql).join(` ${word} `)})`
  return { sql, type: { kind: 'Boolean' }, aggregate: terms.some(({ aggregate }) => aggregate) }
}

const not = (of: Term): Term => ({ sql: `(NOT ${of.sql})`, type: { kind: 'Boolean' }, aggregate: of.aggregate })

/** As the parser and the guard name LIKE and NOT LIKE; for ILIKE the engines fold case differently. */
const likes: ReadonlySet<string> = new Set(['~~', boundedLike.get('~~') ?? ''])
const unlikes: ReadonlySet<string> = new Set(['!~~', boundedLike.get('!~~') ?? ''])
const maxPattern = 1_000

/** Neither engine has an escape character unless ESCAPE names one. */
function like(of: Term, pattern: Term): Term {
  if (of.type.kind !== 'String' || pattern.open === undefined || !('text' in pattern.open))
    return untranslated('LIKE of what is no String, or with a pattern that is computed')
  if (pattern.open.text.length > maxPattern) untranslated(`LIKE with a pattern of more than ${maxPattern} characters`)
  return { sql: `(${of.sql} LIKE ${pattern.sql})`, type: { kind: 'Boolean' }, aggregate: of.aggregate }
}
