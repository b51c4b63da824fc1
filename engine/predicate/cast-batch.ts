/** The casts of all literals of a predicate, done by DuckDB in one query. */

import { BlastyError } from '../../base/errors.ts'
import type { Column } from '../schema/schema.ts'
import { type Cast, evaluateCasts } from '../sql/parser.ts'
import type { Category } from './category.ts'
import { categoryOfLiteral } from './category.ts'
import type { Comparand } from './comparand.ts'
import type { Literal } from './draft.ts'
import { castOf, formatExact, parseExact } from './literal.ts'

/** A result that is there once the batch has run. */
export type Later<T> = () => T

/** Collects casts, runs them once, and hands out comparands. */
export class CastBatch {
  readonly #casts: Cast[] = []
  #results: readonly (string | undefined)[] = []

  async run(): Promise<void> {
    this.#results = await evaluateCasts(this.#casts)
  }

  /** A bare string, as the SQL type given. */
  text(text: string, type: string, category: Category, column: Column, at: number): Later<Comparand> {
    if (category === 'text') return () => ({ kind: 'text', text })
    return this.#cast({ text, types: [type] }, category, column, at)
  }

  /** Any other literal, as what the comparison is done in. */
  literal(
    literal: Exclude<Literal, { kind: 'text' }>,
    category: Category,
    column: Column,
    at: number,
  ): Later<Comparand> {
    switch (literal.kind) {
      case 'null':
        return () => literal
      case 'double':
        return () => literal
      case 'exact': {
        if (category === 'exact') return () => literal
        const text = formatExact(literal.unscaled, literal.scale)
        return this.#cast({ text, types: [literal.type, 'DOUBLE'] }, category, column, at)
      }
      case 'cast': {
        const cast = castOf(literal)
        const own = categoryOfLiteral(literal)
        if (category === 'timestamp') return this.#cast(extended(cast, 'TIMESTAMPTZ'), category, column, at)
        return this.#cast(own === category ? cast : extended(cast, 'DOUBLE'), category, column, at)
      }
    }
  }

  #cast(cast: Cast, category: Category, column: Column, at: number): Later<Comparand> {
    const index = this.#casts.push(cast) - 1
    return () => {
      const result = this.#results[index]
      if (result === undefined) return refuse(`'${cast.text}' cannot be read as ${cast.types.join(', then as ')}`, at)
      return comparandOf(result, category, column) ?? refuse(`${result} is outside the years 0001 to 9999`, at)
    }
  }
}

function extended(cast: Cast, type: string): Cast {
  return { text: cast.text, types: [...cast.types, type] }
}

/** From DuckDB's text of a value; undefined for a day or instant that no row can hold. */
function comparandOf(text: string, category: Category, column: Column): Comparand | undefined {
  switch (category) {
    case 'exact':
      return { kind: 'exact', ...parseExact(text) }
    case 'double':
      return { kind: 'double', value: parseDouble(text) }
    case 'boolean':
      return { kind: 'boolean', value: text === 'true' }
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text) ? { kind: 'text', text } : undefined
    case 'timestamp': {
      const parts = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text)
      if (parts === null) return undefined
      const canonical = `${parts[1]}T${parts[2]}.${(parts[3] ?? '').padEnd(6, '0')}Z`
      return { kind: column.type === 'Date' ? 'instant' : 'text', text: canonical }
    }
    default:
      return { kind: 'text', text }
  }
}

function parseDouble(text: string): number {
  if (text === 'nan' || text === '-nan') return Number.NaN
  return text === 'inf' || text === '-inf' ? Number(text.replace('inf', 'Infinity')) : Number(text)
}

function refuse(problem: string, position: number): never {
  throw new BlastyError('INVALID_PREDICATE', { problem, position })
}
