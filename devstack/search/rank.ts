/** Which documents match a query, and the rank that each ranking rule gives them. */
import type { DocSet } from './filter.ts'
import type { Query } from './query.ts'
import type { SearchIndex } from './search-index.ts'
import { type Fields, matchTerms, NO, phrasePlaces, type TermMatches } from './term-matches.ts'
import { fieldOf, positionOf } from './text-index.ts'

export type MatchingStrategy = 'last' | 'all' | 'frequency'

/** Words further apart than this are not near each other. */
const MAX_PROXIMITY = 4

/** Terms that a document must match to reach a level: the fewer, the lower. */
type Level = {
  terms: TermMatches[]
  pairs: [number, number][]
  weightBound: number
  startsWith: Map<number, number> | undefined
}

export type Matched = {
  terms: TermMatches[]
  /** Matching documents, in order of number. */
  docs: number[]
  /** Rank out of how many that a rule gives a document. */
  rank: (rule: string, doc: number) => [rank: number, of: number] | undefined
}

/** Finds the documents of `universe` that match the query. */
export function matchQuery(
  index: SearchIndex,
  query: Query,
  universe: DocSet,
  strategy: MatchingStrategy,
  fields: Fields,
): Matched {
  exclude(index, query, universe)
  const terms = matchTerms(index, query.terms, fields)
  const phrases = terms.filter(({ term }) => term.kind === 'phrase')
  let words = terms.filter(({ term }) => term.kind === 'word')
  if (strategy === 'frequency') words = words.toSorted((a, b) => a.count - b.count)
  const least = strategy === 'all' ? words.length : phrases.length > 0 ? 0 : 1
  const levelOf = new Uint8Array(index.end).fill(NO)
  const docs: number[] = []
  for (let doc = 0; doc < index.end; doc++) {
    if (universe[doc] !== 1 || phrases.some(({ typos }) => typos[doc] === NO)) continue
    let level = 0
    while (level < words.length && words[level]?.typos[doc] !== NO) level++
    if (level < least) continue
    levelOf[doc] = level
    docs.push(doc)
  }
  const bound = weightBound(index)
  const levels = Array.from({ length: words.length + 1 }, (_, n): Level => {
    const counted = new Set([...phrases, ...words.slice(0, n)])
    const inOrder = terms.filter(matches => counted.has(matches))
    return { terms: inOrder, pairs: neighbours(inOrder), weightBound: bound, startsWith: undefined }
  })
  const ranking = new Ranking(index, levels, levelOf, terms.length, docs)
  return { terms, docs, rank: (rule, doc) => ranking.rank(rule, doc) }
}

function exclude(index: SearchIndex, query: Query, universe: DocSet): void {
  for (const words of [...query.notWords.map(word => [word]), ...query.notPhrases]) {
    for (const doc of phrasePlaces(index, words).docs) universe[doc] = 0
  }
}

const weightBound = (index: SearchIndex): number => {
  const { searchableAttributes } = index.settings
  return searchableAttributes[0] === '*' ? 0 : Math.max(0, searchableAttributes.length - 1)
}

const neighbours = (terms: readonly TermMatches[]): [number, number][] =>
  terms.flatMap((right, i): [number, number][] =>
    i > 0 && terms[i - 1]?.term.end === right.term.position - 1 ? [[i - 1, i]] : [],
  )

class Ranking {
  readonly #index: SearchIndex
  readonly #levels: Level[]
  readonly #levelOf: Uint8Array
  readonly #termCount: number
  readonly #docs: readonly number[]
  readonly #proximities = new Map<string, Uint8Array>()

  constructor(index: SearchIndex, levels: Level[], levelOf: Uint8Array, termCount: number, docs: readonly number[]) {
    this.#index = index
    this.#levels = levels
    this.#levelOf = levelOf
    this.#termCount = termCount
    this.#docs = docs
  }

  rank(rule: string, doc: number): [number, number] | undefined {
    const level = this.#levels[this.#levelOf[doc] ?? NO]
    if (!level) return undefined
    const { terms } = level
    const sum = (of: (matches: TermMatches) => number): number => {
      let total = 0
      for (const matches of terms) total += of(matches)
      return total
    }
    const outOf = (cost: number, max: number): [number, number] => [max + 1 - cost, max + 1]
    switch (rule) {
      case 'words':
        return [terms.length, this.#termCount]
      case 'typo':
        return outOf(
          sum(matches => matches.typos[doc] ?? 0),
          sum(matches => matches.maxTypos),
        )
      case 'proximity':
        if (level.pairs.length === 0) return undefined
        return outOf(this.#proximity(level, doc), level.pairs.length * (MAX_PROXIMITY - 1))
      case 'attributeRank':
        return outOf(
          sum(matches => matches.weights[doc] ?? 0),
          terms.length * level.weightBound,
        )
      case 'wordPosition':
        return outOf(
          sum(matches => matches.positions[doc] ?? 0),
          terms.length * 10,
        )
      case 'exactAttribute':
        return [this.#startsWith(level).get(doc) ?? 1, 3]
      case 'exactWords':
        return outOf(terms.length - sum(matches => matches.exact[doc] ?? 0), terms.length)
      default:
        return undefined
    }
  }

  #proximity({ terms, pairs }: Level, doc: number): number {
    let cost = 0
    for (const [i, j] of pairs) {
      const left = terms[i]
      const right = terms[j]
      if (!left || !right) continue
      const name = `${left.term.position}-${right.term.position}`
      let costs = this.#proximities.get(name)
      if (!costs) {
        costs = this.#pairCosts(left, right)
        this.#proximities.set(name, costs)
      }
      cost += costs[doc] ?? 0
    }
    return cost
  }

  /** By document, what the least distance between two terms costs: 0 side by side, up to 3. */
  #pairCosts(left: TermMatches, right: TermMatches): Uint8Array {
    const costs = new Uint8Array(this.#index.end).fill(MAX_PROXIMITY - 1)
    const both = new Uint8Array(this.#index.end)
    for (const doc of this.#docs) if (left.typos[doc] !== NO && right.typos[doc] !== NO) both[doc] = 1
    const places = new Map<number, number[]>()
    const length = left.term.kind === 'phrase' ? left.term.words.length - 1 : 0
    for (const source of left.sources) {
      source.docs.forEach((doc, i) => {
        if (both[doc] !== 1) return
        const list = places.get(doc)
        const place = (source.places[i] ?? 0) + length
        if (list) list.push(place)
        else places.set(doc, [place])
      })
    }
    for (const source of right.sources) {
      source.docs.forEach((doc, i) => {
        const place = source.places[i] ?? 0
        for (const other of places.get(doc) ?? []) {
          if (fieldOf(other) !== fieldOf(place)) continue
          const apart = positionOf(place) - positionOf(other)
          const cost = apart > 0 ? apart - 1 : -apart
          if (cost < (costs[doc] ?? 0)) costs[doc] = cost
        }
      })
    }
    return costs
  }

  /** Documents with a field that is exactly the query (3), or begins with it (2). */
  #startsWith(level: Level): Map<number, number> {
    if (level.startsWith) return level.startsWith
    const found = new Map<number, number>()
    level.startsWith = found
    let keep: Set<number> | undefined
    for (const { exactSource, term } of level.terms) {
      const here = new Set<number>()
      exactSource?.docs.forEach((doc, i) => {
        const place = exactSource.places[i] ?? 0
        if (positionOf(place) !== term.position || this.#levelOf[doc] === NO) return
        const at = doc * 1024 + fieldOf(place)
        if (!keep || keep.has(at)) here.add(at)
      })
      keep = here
    }
    const length = (level.terms.at(-1)?.term.end ?? 0) + 1
    for (const at of keep ?? []) {
      const doc = Math.floor(at / 1024)
      if (found.get(doc) === 3) continue
      found.set(doc, this.#index.text.length(doc, at % 1024) === length ? 3 : 2)
    }
    return found
  }
}
