/** The judgement of one statement's tree: every node of a known kind, every table and function one that is allowed. */

import { BlastyError } from '../../base/errors.ts'
import { problemOfCall } from './calls.ts'
import { refuseExpansion } from './expansion.ts'
import { type FunctionPlace, isAllowedFunction } from './functions.ts'
import { foldName } from './quote.ts'
import {
  expressionShapes,
  listItems,
  modifierShapes,
  queryShapes,
  type Role,
  type Shape,
  tableShapes,
} from './shapes.ts'
import { isNode, listAt, locationOf, nodeAt, nodesAt, positionsIn, type Tree, type TreeNode, textAt } from './tree.ts'
import { isAllowedType } from './types.ts'

/** What a statement was found to use. */
export type Judgement = {
  /** Names of the tables read, lower case, each once. */
  readonly tables: ReadonlySet<string>
  /** Identifiers of its parameters: `1`, `2` … or names, each once. */
  readonly parameters: ReadonlySet<string>
}

/** Names that DuckDB answers itself where no column bears them, and would answer with what the session is. */
const sessionNames: ReadonlySet<string> = new Set([
  'current_catalog',
  'current_role',
  'current_schema',
  'current_user',
  'session_user',
  'user',
])

/** Deeper trees than this are refused rather than walked. */
const maxDepth = 400

/** Names of common table expressions that hide tables, lower case. */
type Scope = ReadonlySet<string>

/**
 * Throws `INVALID_SQL`, `TABLE_NOT_FOUND` or `UNSUPPORTED`. `visible`: lower-case names of the tables the caller may see;
 * `sql` is the text that the tree's locations refer to.
 */
export function judge(statement: TreeNode, visible: ReadonlySet<string>, sql: string): Judgement {
  const judgement = { tables: new Set<string>(), parameters: new Set<string>() }
  new Judge(judgement, visible, sql).field(nodeAt(statement, 'node'), 'query', new Set(), 0)
  refuseExpansion(statement)
  return judgement
}

class Judge {
  readonly #found: { readonly tables: Set<string>; readonly parameters: Set<string> }
  readonly #visible: ReadonlySet<string>
  readonly #sql: string
  /** Lambdas around the node that is judged. */
  #lambdas = 0

  constructor(found: { tables: Set<string>; parameters: Set<string> }, visible: ReadonlySet<string>, sql: string) {
    this.#found = found
    this.#visible = visible
    this.#sql = sql
  }

  /** Judges what a field holds by its role. */
  field(value: Tree, role: Role, scope: Scope, depth: number): void {
    if (value === null || role === 'plain') return
    if (depth > maxDepth) this.#refuse(value, 'it is nested too deeply')
    if (Array.isArray(value)) this.#list(value, role, scope, depth)
    else if (isNode(value)) this.#node(value, role, scope, depth)
    else this.#refuse(value, `a value in the place of a ${role}`)
  }

  #node(node: TreeNode, role: Role, scope: Scope, depth: number): void {
    switch (role) {
      case 'expression':
        this.#expression(node, scope, depth)
        break
      case 'table':
        this.#table(node, scope, depth)
        break
      case 'query':
        this.#query(node, scope, depth)
        break
      case 'statement':
        this.field(nodeAt(node, 'node'), 'query', scope, depth + 1)
        break
      case 'order':
        this.#children(node, { type: 'plain', orders: 'orders' }, scope, depth)
        break
      case 'modifier':
        this.#children(node, this.#shapeOf(modifierShapes, textAt(node, 'type'), node), scope, depth)
        break
      case 'type':
        if (!isAllowedType(node)) this.#refuse(node, 'a cast to a type that is not built in')
        break
      default:
        this.#refuse(node, `an unknown ${role}`)
    }
  }

  #list(values: readonly Tree[], role: Role, scope: Scope, depth: number): void {
    const item = listItems[role]
    if (role === 'columns') this.#columns(values)
    else if (item === undefined && values.length > 0) this.#refuse(values, `a list in the place of ${role}`)
    for (const value of item === undefined ? [] : values) {
      if (typeof item === 'string') this.field(value, item, scope, depth + 1)
      else if (isNode(value)) this.#children(value, item ?? {}, scope, depth + 1)
      else this.#refuse(value, `a value in the place of ${role}`)
    }
  }

  /** Judges every field of a node whose shape is known. */
  #children(node: TreeNode, shape: Shape, scope: Scope, depth: number): void {
    for (const [name, value] of Object.entries(node)) {
      const role = Object.hasOwn(shape, name) ? shape[name] : undefined
      if (role === undefined) this.#refuse(node, `an unknown part (${name})`)
      else if (role !== 'ctes') this.field(value, role, scope, depth + 1)
    }
  }

  #shapeOf(shapes: Readonly<Record<string, Shape>>, kind: string, node: TreeNode): Shape {
    const shape = Object.hasOwn(shapes, kind) ? shapes[kind] : undefined
    return shape ?? this.#unsupported(kind, node)
  }

  /** A common table expression hides tables from those after it and from the query; a recursive one from its second part too. */
  #query(node: TreeNode, scope: Scope, depth: number): void {
    const shape = this.#shapeOf(queryShapes, textAt(node, 'type'), node)
    let inner = scope
    for (const cte of nodesAt(nodeAt(node, 'cte_map'), 'map')) {
      const { aliases, query, materialized, key_targets, ...unknown } = nodeAt(cte, 'value')
      if (Object.keys(unknown).length > 0) this.#refuse(cte, 'an unknown part of WITH')
      this.field(query ?? null, 'statement', inner, depth + 1)
      inner = new Set([...inner, foldName(textAt(cte, 'key'))])
      this.field(key_targets ?? null, 'expressions', inner, depth + 1)
    }
    const recursive = node.type === 'RECURSIVE_CTE_NODE'
    const { right, ...rest } = node
    this.#children(recursive ? rest : node, shape, inner, depth)
    if (recursive)
      this.field(right ?? null, 'query', new Set([...inner, foldName(textAt(node, 'cte_name'))]), depth + 1)
  }

  #table(node: TreeNode, scope: Scope, depth: number): void {
    const kind = textAt(node, 'type')
    const shape = this.#shapeOf(tableShapes, kind, node)
    if (kind === 'BASE_TABLE') this.#baseTable(node, scope)
    const { function: _, ...rest } = node
    this.#children(kind === 'TABLE_FUNCTION' ? rest : node, shape, scope, depth)
    if (kind === 'TABLE_FUNCTION') this.#tableFunction(nodeAt(node, 'function'), scope, depth)
  }

  #tableFunction(node: TreeNode, scope: Scope, depth: number): void {
    if (node.class !== 'FUNCTION') this.#refuse(node, 'an unknown table function')
    this.#function(node, 'from')
    this.#children(node, this.#shapeOf(expressionShapes, 'FUNCTION', node), scope, depth + 1)
  }

  #baseTable(node: TreeNode, scope: Scope): void {
    if (node.schema_name !== '' || node.catalog_name !== '')
      this.#refuse(node, 'tables are named without a schema or catalogue')
    if (node.at_clause !== null) this.#unsupported('AT', node)
    const name = textAt(node, 'table_name')
    const key = foldName(name)
    if (scope.has(key)) return
    if (!this.#visible.has(key)) throw new BlastyError('TABLE_NOT_FOUND', { table: name })
    this.#found.tables.add(key)
  }

  #expression(node: TreeNode, scope: Scope, depth: number): void {
    const kind = textAt(node, 'class')
    const shape = this.#shapeOf(expressionShapes, kind, node)
    if (kind === 'FUNCTION') this.#function(node, 'expression')
    if (kind === 'WINDOW') this.#function(node, 'window')
    if (kind === 'PARAMETER') this.#found.parameters.add(textAt(node, 'identifier'))
    if (kind === 'COLUMN_REF') this.#sessionName(node)
    if (kind === 'LAMBDA') this.#lambdas++
    this.#children(node, shape, scope, depth)
    if (kind === 'LAMBDA') this.#lambdas--
  }

  #function(node: TreeNode, place: FunctionPlace): void {
    const name = textAt(node, 'function_name')
    const builtIn = node.schema === '' || (node.schema === 'main' && place === 'expression') // the parser itself writes main.
    const qualified = node.catalog !== '' || !builtIn
    if (qualified) this.#refuse(node, `${name}: functions are named without a schema or catalogue`)
    if (node.export_state === true) this.#refuse(node, 'EXPORT_STATE is not allowed')
    if (!isAllowedFunction(name, place)) this.#refuse(node, `the function ${name}() is not allowed here`)
    const problem = problemOfCall(node, this.#lambdas > 0)
    if (problem !== undefined) this.#refuse(node, problem)
  }

  #sessionName(node: TreeNode): void {
    const [name, ...rest] = listAt(node, 'column_names')
    if (rest.length > 0 || !sessionNames.has(foldName(String(name)))) return
    this.#refuse(node, `${String(name)} stands for the session; for a column of that name write its table before it`)
  }

  #columns(names: readonly Tree[]): void {
    if (names.some(name => foldName(String(name)) === 'rowid')) this.#refuse(names, 'rowid is not a column')
  }

  #unsupported(kind: string, node: TreeNode): never {
    const [what, instead] = unsupported[kind] ?? [`this kind of SQL (${kind})`, 'write it as a plain SELECT']
    const at = this.#position(node)
    throw new BlastyError('UNSUPPORTED', { what: `${what}${at === undefined ? '' : ` at position ${at}`}`, instead })
  }

  #refuse(tree: Tree, problem: string): never {
    const at = this.#position(tree)
    throw new BlastyError('INVALID_SQL', { problem: at === undefined ? problem : `${problem}, at position ${at}` })
  }

  #position(tree: Tree): number | undefined {
    const location = locationOf(tree)
    return location === undefined ? undefined : positionsIn(this.#sql)(location)
  }
}

const unsupported: Readonly<Record<string, readonly [what: string, instead: string]>> = {
  AT: ['AT (…) on a table', 'ask for a revision or time in the request'],
  PIVOT: ['PIVOT and UNPIVOT', 'use aggregates with FILTER'],
  SHOW_REF: ['DESCRIBE, SHOW and SUMMARIZE', 'ask the catalogue service for tables and columns'],
  DEFAULT: ['DEFAULT in a query', 'write the value'],
}
