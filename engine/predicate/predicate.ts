/** One predicate, three forms: SQL, a JavaScript test and a search filter (the module's public face). */

export { columnsOf, type Predicate } from './ast.ts'
export { maxPredicateLength, parsePredicate } from './parse.ts'
export { documentAttribute, hiddenAttribute, searchAttributes, toSearchDocument } from './search-attributes.ts'
export { toFilter } from './to-filter.ts'
export { toSql } from './to-sql.ts'
export { type RowTest, toTest } from './to-test.ts'
