/** The full-text index of one index: an FTS5 table on disk, its vocabulary and recent postings in memory. */

import type { Store } from './store.ts'
import { HARD_GAP, type Token, tokenize } from './tokens.ts'

/** Where a word stands: `docs[i]` has it at `places[i]` = field << 16 | position. */
export type Postings = { docs: Uint32Array; places: Uint32Array }

export const fieldOf = (place: number): number => place >>> 16
export const positionOf = (place: number): number => place & 0xffff

/** Fields a document; a row of the FTS table is one field of one document. */
const FIELDS = 1024
/** Stands where no word is: keeps positions apart at sentence ends and in place of stop words. */
const GAP = '\ue000'
const MAX_POSITION = 0xffff
const MAX_WORD = 250
/** Occurrences kept in memory before the postings are forgotten. */
const CACHE_LIMIT = 8_000_000
/** Field lengths kept in memory before they are forgotten. */
const LENGTHS_LIMIT = 1_000_000

export class TextIndex {
  readonly #store: Store
  readonly #table: string
  readonly #cache = new Map<string, Postings>()
  #cached = 0
  readonly #lengths = new Map<number, number>()
  readonly #words = new Set<string>()
  #sorted: string[] = []
  #fresh: string[] = []
  /** Changes whenever the vocabulary does. */
  version = 0

  constructor(store: Store, indexId: number) {
    this.#store = store
    this.#table = `text_${indexId}`
    store.db.exec(`
      create virtual table if not exists ${this.#table} using fts5(
        words, content='', contentless_delete=1, tokenize="ascii tokenchars '$+<=>^\`|~'");
      create virtual table if not exists temp.${this.#table}_words using fts5vocab(main, ${this.#table}, row);
      create virtual table if not exists temp.${this.#table}_places using fts5vocab(main, ${this.#table}, instance);
    `)
    for (const row of store.db.prepare(`select term from temp.${this.#table}_words`).all())
      this.#learn(String(row.term))
  }

  static drop(store: Store, indexId: number): void {
    store.forget(`text_${indexId}`)
    store.db.exec(`
      drop table if exists temp.text_${indexId}_words; drop table if exists temp.text_${indexId}_places;
      drop table if exists text_${indexId};
    `)
  }

  /** Adds one field of one document; `texts` are the elements of an array, or the one text. */
  add(doc: number, field: number, texts: readonly string[], stopWords: ReadonlySet<string>): void {
    const words: string[] = []
    for (const { word, position } of wordsOf(texts)) {
      if (position > MAX_POSITION) break
      while (words.length < position) words.push(GAP)
      if (stopWords.has(word) || word.length > MAX_WORD) words.push(GAP)
      else {
        words.push(word)
        this.#touch(word)
      }
    }
    if (words.length === 0) return
    this.#lengths.delete(doc * FIELDS + field)
    this.#store
      .prepare(`insert into ${this.#table} (rowid, words) values (?, ?)`)
      .run(doc * FIELDS + field, words.join(' '))
  }

  remove(doc: number, field: number, texts: readonly string[]): void {
    for (const { word } of wordsOf(texts)) this.#touch(word)
    this.#lengths.delete(doc * FIELDS + field)
    this.#store.prepare(`delete from ${this.#table} where rowid = ?`).run(doc * FIELDS + field)
  }

  /** Empties the index. */
  clear(): void {
    this.#store.db.exec(`delete from ${this.#table}`)
    this.#cache.clear()
    this.#cached = 0
    this.#lengths.clear()
    this.#words.clear()
    this.#sorted = []
    this.#fresh = []
    this.version++
  }

  has(word: string): boolean {
    return this.#words.has(word)
  }

  /** All words in code-unit order. May hold words whose last document is gone. */
  words(): readonly string[] {
    if (this.#fresh.length > 0) {
      this.#sorted = [...this.#sorted, ...this.#fresh].sort()
      this.#fresh = []
    }
    return this.#sorted
  }

  postings(word: string): Postings {
    const cached = this.#cache.get(word)
    if (cached) return cached
    const select = this.#store.prepare(`select doc, offset from temp.${this.#table}_places where term = ?`)
    select.setReturnArrays(true)
    const rows: unknown[] = this.#words.has(word) ? select.all(word) : []
    const docs = new Uint32Array(rows.length)
    const places = new Uint32Array(rows.length)
    rows.forEach((row, i) => {
      if (!Array.isArray(row)) return
      const rowid = Number(row[0])
      docs[i] = Math.floor(rowid / FIELDS)
      places[i] = ((rowid % FIELDS) << 16) | Number(row[1])
    })
    const postings = { docs, places }
    if (this.#cached > CACHE_LIMIT) {
      this.#cache.clear()
      this.#cached = 0
    }
    this.#cached += rows.length
    this.#cache.set(word, postings)
    return postings
  }

  /** Words in one field of one document, gaps included. */
  length(doc: number, field: number): number {
    const at = doc * FIELDS + field
    let length = this.#lengths.get(at)
    if (length === undefined) {
      length = this.#readLength(at)
      if (this.#lengths.size >= LENGTHS_LIMIT) this.#lengths.clear()
      this.#lengths.set(at, length)
    }
    return length
  }

  #readLength(at: number): number {
    const row = this.#store.get(`select sz from ${this.#table}_docsize where id = ?`, at)
    if (!(row?.sz instanceof Uint8Array)) return 0
    let length = 0
    for (const byte of row.sz) {
      length = length * 128 + (byte & 127)
      if (byte < 128) break
    }
    return length
  }

  #touch(word: string): void {
    const cached = this.#cache.get(word)
    if (cached) {
      this.#cached -= cached.docs.length
      this.#cache.delete(word)
    }
    if (!this.#words.has(word)) this.#learn(word)
  }

  #learn(word: string): void {
    if (word === GAP) return
    this.#words.add(word)
    this.#fresh.push(word)
    this.version++
  }
}

/** The words of several texts, a hard gap between one text and the next. */
function wordsOf(texts: readonly string[]): Token[] {
  const [only] = texts
  if (texts.length === 1 && only !== undefined) return tokenize(only)
  const all: Token[] = []
  let base = 0
  for (const text of texts) {
    for (const token of tokenize(text)) all.push({ ...token, position: token.position + base })
    const last = all.at(-1)
    if (last) base = last.position + HARD_GAP
  }
  return all
}
