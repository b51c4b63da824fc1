/** What each node of the parser's tree holds. A node or field that is not listed here is refused. */

/** `plain`: nothing that names a table or function, or computes. The others say how to read what is in the field. */
export type Role =
  | 'plain'
  | 'empty'
  | 'expression'
  | 'expressions'
  | 'rows'
  | 'cases'
  | 'replacements'
  | 'order'
  | 'orders'
  | 'modifiers'
  | 'modifier'
  | 'type'
  | 'statement'
  | 'query'
  | 'ctes'
  | 'table'
  | 'columns'

export type Shape = Readonly<Record<string, Role>>

const expression = (fields: Shape): Shape => ({
  class: 'plain',
  type: 'plain',
  alias: 'plain',
  query_location: 'plain',
  ...fields,
})

/** By `class`. */
export const expressionShapes: Readonly<Record<string, Shape>> = {
  BETWEEN: expression({ input: 'expression', lower: 'expression', upper: 'expression' }),
  CASE: expression({ case_checks: 'cases', else_expr: 'expression' }),
  CAST: expression({ child: 'expression', cast_type: 'type', try_cast: 'plain' }),
  COLLATE: expression({ child: 'expression', collation: 'plain' }),
  COLUMN_REF: expression({ column_names: 'columns' }),
  COMPARISON: expression({ left: 'expression', right: 'expression' }),
  CONJUNCTION: expression({ children: 'expressions' }),
  CONSTANT: expression({ value: 'plain' }),
  FUNCTION: expression({
    function_name: 'plain',
    schema: 'plain',
    catalog: 'plain',
    children: 'expressions',
    filter: 'expression',
    order_bys: 'order',
    distinct: 'plain',
    is_operator: 'plain',
    export_state: 'plain',
  }),
  LAMBDA: expression({ lhs: 'expression', expr: 'expression' }),
  OPERATOR: expression({ children: 'expressions' }),
  PARAMETER: expression({ identifier: 'plain' }),
  POSITIONAL_REFERENCE: expression({ index: 'plain' }),
  STAR: expression({
    relation_name: 'plain',
    exclude_list: 'plain',
    replace_list: 'replacements',
    columns: 'plain',
    expr: 'expression',
    qualified_exclude_list: 'plain',
    rename_list: 'plain',
  }),
  SUBQUERY: expression({
    subquery_type: 'plain',
    subquery: 'statement',
    child: 'expression',
    comparison_type: 'plain',
  }),
  WINDOW: expression({
    function_name: 'plain',
    schema: 'plain',
    catalog: 'plain',
    children: 'expressions',
    partitions: 'expressions',
    orders: 'orders',
    start: 'plain',
    end: 'plain',
    start_expr: 'expression',
    end_expr: 'expression',
    offset_expr: 'expression',
    default_expr: 'expression',
    ignore_nulls: 'plain',
    filter_expr: 'expression',
    exclude_clause: 'plain',
    distinct: 'plain',
    arg_orders: 'orders',
  }),
}

const table = (fields: Shape): Shape => ({
  type: 'plain',
  alias: 'plain',
  sample: 'plain',
  query_location: 'plain',
  ...fields,
})

/** By `type`, in FROM. */
export const tableShapes: Readonly<Record<string, Shape>> = {
  BASE_TABLE: table({
    schema_name: 'plain',
    table_name: 'plain',
    catalog_name: 'plain',
    column_name_alias: 'plain',
    at_clause: 'plain',
  }),
  EMPTY: table({}),
  EXPRESSION_LIST: table({ expected_names: 'empty', expected_types: 'empty', values: 'rows' }),
  JOIN: table({
    left: 'table',
    right: 'table',
    condition: 'expression',
    join_type: 'plain',
    ref_type: 'plain',
    using_columns: 'columns',
    delim_flipped: 'plain',
    duplicate_eliminated_columns: 'empty',
  }),
  SUBQUERY: table({ subquery: 'statement', column_name_alias: 'plain' }),
  TABLE_FUNCTION: table({ function: 'expression', column_name_alias: 'plain', with_ordinality: 'plain' }),
}

const query = (fields: Shape): Shape => ({ type: 'plain', modifiers: 'modifiers', cte_map: 'ctes', ...fields })

/** By `type`, of whole queries. */
export const queryShapes: Readonly<Record<string, Shape>> = {
  SELECT_NODE: query({
    select_list: 'expressions',
    from_table: 'table',
    where_clause: 'expression',
    group_expressions: 'expressions',
    group_sets: 'plain',
    aggregate_handling: 'plain',
    having: 'expression',
    sample: 'plain',
    qualify: 'expression',
  }),
  SET_OPERATION_NODE: query({ setop_type: 'plain', setop_all: 'plain', left: 'query', right: 'query' }),
  RECURSIVE_CTE_NODE: query({
    cte_name: 'plain',
    union_all: 'plain',
    left: 'query',
    right: 'query',
    aliases: 'plain',
    key_targets: 'expressions',
  }),
}

/** By `type`, of what follows a query. */
export const modifierShapes: Readonly<Record<string, Shape>> = {
  DISTINCT_MODIFIER: { type: 'plain', distinct_on_targets: 'expressions' },
  LIMIT_MODIFIER: { type: 'plain', limit: 'expression', offset: 'expression' },
  LIMIT_PERCENT_MODIFIER: { type: 'plain', limit: 'expression', offset: 'expression' },
  ORDER_MODIFIER: { type: 'plain', orders: 'orders' },
}

/** What the items of a list of that role are: of a role, or nodes of a shape of their own. */
export const listItems: Readonly<Partial<Record<Role, Role | Shape>>> = {
  expressions: 'expression',
  rows: 'expressions',
  modifiers: 'modifier',
  cases: { when_expr: 'expression', then_expr: 'expression' },
  replacements: { key: 'plain', value: 'expression' },
  orders: { type: 'plain', null_order: 'plain', expression: 'expression' },
}
