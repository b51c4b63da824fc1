/** Where one term of a query matches: by document the fewest typos, the best field and the best position. */
import type { QueryTerm } from './query.ts'
import type { SearchIndex } from './search-index.ts'
import { fieldOf, type Postings, positionOf } from './text-index.ts'
import { tokenize } from './tokens.ts'
import { type Derivation, derive } from './typos.ts'

/** No match. */
export const NO = 255
const FAR = 0xffff

/** What distance from the place in the query costs. */
function positionCost(distance: number): number {
  const bounds = [0, 1, 4, 7, 11, 16, 24, 64, 256, 1024]
  const cost = bounds.findIndex(bound => distance <= bound)
  return cost < 0 ? 10 : cost
}

const costs = Uint8Array.from({ length: 1026 }, (_, distance) => positionCost(distance))

export class TermMatches {
  readonly term: QueryTerm
  /** By document: the fewest typos, or NO. */
  readonly typos: Uint8Array
  /** By document: the rank of the best field. */
  readonly weights: Uint16Array
  /** By document: what the best position costs. */
  readonly positions: Uint8Array
  /** By document: 1 where the very word stands. */
  readonly exact: Uint8Array
  readonly sources: Postings[] = []
  /** Occurrences of the very word or phrase. */
  exactSource: Postings | undefined
  /** The most typos that may cost something here. */
  maxTypos = 1
  /** Words that a highlighter marks, with how many letters of each; undefined marks the whole word. */
  readonly marks = new Map<string, number | undefined>()
  count = 0

  constructor(term: QueryTerm, end: number) {
    this.term = term
    this.typos = new Uint8Array(end).fill(NO)
    this.weights = new Uint16Array(end).fill(FAR)
    this.positions = new Uint8Array(end).fill(NO)
    this.exact = new Uint8Array(end)
  }

  /** Takes the places of a word; `weight` gives a field's rank, undefined where the term may not match. */
  add(places: Postings, typos: number, isExact: boolean, weight: (field: number) => number | undefined): void {
    if (places.docs.length === 0) return
    const start = this.term.position
    let used = 0
    for (let i = 0; i < places.docs.length; i++) {
      const doc = places.docs[i] ?? 0
      const place = places.places[i] ?? 0
      const rank = weight(fieldOf(place))
      if (rank === undefined) continue
      used++
      if (this.typos[doc] === NO) this.count++
      if (typos < (this.typos[doc] ?? NO)) this.typos[doc] = typos
      if (rank < (this.weights[doc] ?? FAR)) this.weights[doc] = rank
      const cost = costs[Math.min(Math.abs(positionOf(place) - start), 1025)] ?? 10
      if (cost < (this.positions[doc] ?? NO)) this.positions[doc] = cost
      if (isExact) this.exact[doc] = 1
    }
    const kept = used === places.docs.length ? places : restricted(places, weight)
    this.sources.push(kept)
    if (isExact) this.exactSource = kept
  }
}

function restricted(places: Postings, weight: (field: number) => number | undefined): Postings {
  const keep = [...places.docs.keys()].filter(i => weight(fieldOf(places.places[i] ?? 0)) !== undefined)
  return {
    docs: Uint32Array.from(keep, i => places.docs[i] ?? 0),
    places: Uint32Array.from(keep, i => places.places[i] ?? 0),
  }
}

const key = (doc: number, place: number): number => doc * 2 ** 26 + place

/** Places where the words stand one after the other; null leaves room for one word. */
export function phrasePlaces(index: SearchIndex, words: readonly (string | null)[]): Postings {
  const offset = words.findIndex(word => word !== null)
  const first = words[offset]
  if (typeof first !== 'string') return { docs: new Uint32Array(0), places: new Uint32Array(0) }
  const { docs, places } = index.text.postings(first)
  let keep = [...docs.keys()]
  for (let i = offset + 1; i < words.length && keep.length > 0; i++) {
    const word = words[i]
    if (typeof word !== 'string') continue
    const next = index.text.postings(word)
    const set = new Set<number>()
    for (const [j, doc] of next.docs.entries()) set.add(key(doc, next.places[j] ?? 0))
    keep = keep.filter(j => set.has(key(docs[j] ?? 0, (places[j] ?? 0) + i - offset)))
  }
  return { docs: Uint32Array.from(keep, i => docs[i] ?? 0), places: Uint32Array.from(keep, i => places[i] ?? 0) }
}

/** Which fields a search looks at, with their rank. */
export type Fields = {
  all: (field: number) => number | undefined
  /** Without the attributes on which typos are off. */
  withTypos: (field: number) => number | undefined
}

/** How many typos the settings allow a word. */
export function allowedTypos(index: SearchIndex, word: string): number {
  const { enabled, minWordSizeForTypos, disableOnWords, disableOnNumbers } = index.settings.typoTolerance
  const letters = [...word].length
  if (!enabled || letters < minWordSizeForTypos.oneTypo || disableOnWords.some(one => one.toLowerCase() === word))
    return 0
  if (disableOnNumbers && /^\d+$/.test(word)) return 0
  return letters < minWordSizeForTypos.twoTypos ? 1 : 2
}

/** The two words that a word run together most often stands for. */
function splitWord(index: SearchIndex, word: string): { words: [string, string]; places: Postings } | undefined {
  let best: { words: [string, string]; places: Postings } | undefined
  for (let i = 1; i < word.length; i++) {
    const words: [string, string] = [word.slice(0, i), word.slice(i)]
    if (!index.text.has(words[0]) || !index.text.has(words[1])) continue
    const places = phrasePlaces(index, words)
    if (places.docs.length > (best?.places.docs.length ?? 0)) best = { words, places }
  }
  return best
}

const derived = new WeakMap<SearchIndex, { version: number; known: Map<string, Derivation[]> }>()

function derivations(index: SearchIndex, word: string, isPrefix: boolean, maxTypos: number): Derivation[] {
  let cache = derived.get(index)
  if (cache?.version !== index.text.version) {
    cache = { version: index.text.version, known: new Map() }
    derived.set(index, cache)
  }
  const name = `${word} ${isPrefix} ${maxTypos}`
  let found = cache.known.get(name)
  if (!found) {
    found = derive(index.text.words(), word, isPrefix, maxTypos)
    if (cache.known.size >= 1000) cache.known.clear()
    cache.known.set(name, found)
  }
  return found
}

/** Synonyms of one or more words, each as the words of a phrase. */
function synonymsOf(index: SearchIndex, words: readonly string[]): string[][] {
  const wanted = words.join(' ')
  const phrases: string[][] = []
  for (const [name, list] of Object.entries(index.settings.synonyms)) {
    if (
      tokenize(name)
        .map(token => token.word)
        .join(' ') !== wanted
    )
      continue
    for (const synonym of list) phrases.push(tokenize(synonym).map(token => token.word))
  }
  return phrases
}

/** Matches every term of a query: words with prefixes, typos, synonyms, words split and run together; phrases. */
export function matchTerms(index: SearchIndex, terms: readonly QueryTerm[], fields: Fields): TermMatches[] {
  const all = terms.map(term => matchTerm(index, term, fields))
  for (let size = 2; size <= 3; size++) {
    for (let i = 0; i + size <= terms.length; i++) joinWords(index, all.slice(i, i + size), fields)
  }
  return all
}

function matchTerm(index: SearchIndex, term: QueryTerm, fields: Fields): TermMatches {
  const matches = new TermMatches(term, index.end)
  if (term.kind === 'phrase') {
    matches.maxTypos = 0
    for (const word of term.words) if (word !== null) matches.marks.set(word, undefined)
    matches.add(phrasePlaces(index, term.words), 0, true, fields.all)
    return matches
  }
  const maxTypos = allowedTypos(index, term.word)
  matches.maxTypos = Math.max(1, maxTypos)
  for (const { word, typos } of derivations(index, term.word, term.isPrefix, maxTypos)) {
    const places = index.text.postings(word)
    matches.add(places, typos, word === term.word, typos > 0 ? fields.withTypos : fields.all)
    matches.marks.set(word, term.isPrefix && word.length > term.word.length + maxTypos ? term.word.length : undefined)
    if (term.isPrefix && word.startsWith(term.word)) matches.marks.set(word, term.word.length)
  }
  const split = splitWord(index, term.word)
  if (split) {
    matches.add(split.places, 1, false, fields.all)
    for (const word of split.words) matches.marks.set(word, undefined)
  }
  addSynonyms(index, [matches], [term.word], fields)
  return matches
}

function addSynonyms(index: SearchIndex, into: readonly TermMatches[], words: readonly string[], fields: Fields): void {
  for (const phrase of synonymsOf(index, words)) {
    const places = phrasePlaces(index, phrase)
    for (const matches of into) {
      matches.add(places, 0, false, fields.all)
      for (const word of phrase) matches.marks.set(word, undefined)
    }
  }
}

/** Neighbouring words of the query as one word in the documents, and synonyms of several words. */
function joinWords(index: SearchIndex, parts: readonly TermMatches[], fields: Fields): void {
  const words: string[] = []
  let isPrefix = false
  let position = parts[0]?.term.position ?? 0
  for (const { term } of parts) {
    if (term.kind !== 'word' || term.position !== position) return
    position = term.end + 1
    words.push(term.word)
    isPrefix = term.isPrefix
  }
  const joined = words.join('')
  const maxTypos = Math.max(0, allowedTypos(index, joined) - parts.length + 1)
  for (const { word, typos } of derivations(index, joined, isPrefix, maxTypos)) {
    const places = index.text.postings(word)
    parts.forEach((matches, i) => {
      matches.add(places, i === 0 ? typos + 1 : 1, false, typos > 0 ? fields.withTypos : fields.all)
      matches.marks.set(word, undefined)
    })
  }
  addSynonyms(index, parts, words, fields)
}
