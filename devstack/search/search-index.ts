/** One index: its documents on disk, and in memory what filters, facets, sorts and searches need. */
import { Column } from './column.ts'
import { facetValues, matchesPattern, texts } from './flatten.ts'
import { GeoColumn, pointOf } from './geo.ts'
import type { Doc } from './json.ts'
import { customRule, filterablePatterns, type Settings } from './settings.ts'
import type { Store } from './store.ts'
import { TextIndex } from './text-index.ts'
import { normaliseWord } from './tokens.ts'

export type IndexRecord = {
  id: number
  uid: string
  primaryKey: string | null
  createdAt: string
  updatedAt: string
  settings: Settings
  /** Field names by field number. */
  fields: string[]
}

export class SearchIndex {
  readonly record: IndexRecord
  readonly text: TextIndex
  readonly columns = new Map<string, Column>()
  geo = new GeoColumn()
  /** 1 for every document number in use. */
  live = new Uint8Array(1024)
  /** Bound of the document numbers. */
  end = 0
  count = 0
  /** Documents by top-level field. */
  readonly fieldCounts = new Map<string, number>()
  readonly #store: Store
  readonly #byKey = new Map<string, number>()
  readonly #keys: string[] = []
  /** Numbers below `end` that are not in use, the least last. */
  #free: number[] = []
  #freeInOrder = true
  #stopWords = new Set<string>()
  #fieldNumbers = new Map<string, number>()
  #weights: number[] = []
  #faceted = new Map<string, boolean>()
  #sql: { insert: string; update: string; remove: string; get: string }

  constructor(store: Store, record: IndexRecord) {
    this.#store = store
    this.record = record
    const table = `docs_${record.id}`
    this.#sql = {
      insert: `insert into ${table} (doc, key, body) values (?, ?, ?)`,
      update: `update ${table} set body = ? where doc = ?`,
      remove: `delete from ${table} where doc = ?`,
      get: `select body from ${table} where doc = ?`,
    }
    store.db.exec(
      `create table if not exists ${table} (doc integer primary key, key text not null, body text not null)`,
    )
    this.text = new TextIndex(store, record.id)
    this.load()
  }

  static drop(store: Store, id: number): void {
    store.forget(`docs_${id}`)
    store.db.exec(`drop table if exists docs_${id}`)
    TextIndex.drop(store, id)
  }

  get settings(): Settings {
    return this.record.settings
  }

  /** Reads everything that lives in memory from the disk again. */
  load(): void {
    this.#settle()
    this.columns.clear()
    this.geo = new GeoColumn()
    this.live = new Uint8Array(1024)
    this.end = 0
    this.count = 0
    this.fieldCounts.clear()
    this.#byKey.clear()
    this.#keys.length = 0
    for (const row of this.#store.db
      .prepare(`select doc, key, body from docs_${this.record.id} order by doc`)
      .iterate()) {
      this.#remember(Number(row.doc), String(row.key), JSON.parse(String(row.body)) as Doc)
    }
    this.#free = []
    for (let doc = this.end - 1; doc >= 0; doc--) if (this.live[doc] === 0) this.#free.push(doc)
  }

  /** Takes other settings; rebuilds text and columns from the documents. Runs inside a transaction. */
  changeSettings(settings: Settings): void {
    const before = this.record.settings
    this.record.settings = settings
    this.#settle()
    const textChanged = [
      'searchableAttributes',
      'stopWords',
      'separatorTokens',
      'nonSeparatorTokens',
      'dictionary',
    ] as const
    if (textChanged.some(name => JSON.stringify(before[name]) !== JSON.stringify(settings[name]))) {
      this.text.clear()
      for (const row of this.#store.db.prepare(`select doc, body from docs_${this.record.id}`).all()) {
        this.#addText(Number(row.doc), JSON.parse(String(row.body)) as Doc)
      }
    }
    const columnsChanged = ['filterableAttributes', 'sortableAttributes', 'distinctAttribute', 'rankingRules'] as const
    if (columnsChanged.some(name => JSON.stringify(before[name]) !== JSON.stringify(settings[name]))) this.load()
    this.saveRecord()
  }

  docOf(key: string): number | undefined {
    return this.#byKey.get(key)
  }

  keyOf(doc: number): string {
    return this.#keys[doc] ?? ''
  }

  read(doc: number): Doc | undefined {
    const row = this.#store.get(this.#sql.get, doc)
    return row ? (JSON.parse(String(row.body)) as Doc) : undefined
  }

  /** Adds or replaces the document of a key; with `merge`, lays its fields over those there. */
  put(key: string, given: Doc, merge: boolean): void {
    const known = this.#byKey.get(key)
    if (known === undefined) {
      const doc = this.#nextFree() ?? this.end
      this.#store.run(this.#sql.insert, doc, key, JSON.stringify(given))
      this.#remember(doc, key, given)
      this.#addText(doc, given)
      return
    }
    const before = this.read(known) ?? {}
    const after = merge ? { ...before, ...given } : given
    this.#removeText(known, before)
    this.#forget(known, before)
    this.#store.run(this.#sql.update, JSON.stringify(after), known)
    this.#remember(known, key, after)
    this.#addText(known, after)
  }

  /** Deletes by key; says whether the document was there. */
  delete(key: string): boolean {
    const doc = this.#byKey.get(key)
    if (doc === undefined) return false
    const before = this.read(doc) ?? {}
    this.#removeText(doc, before)
    this.#forget(doc, before)
    this.#store.run(this.#sql.remove, doc)
    this.#byKey.delete(key)
    this.live[doc] = 0
    this.count--
    this.#free.push(doc)
    this.#freeInOrder = false
    return true
  }

  /** Deletes every document; says how many there were. */
  clear(): number {
    const count = this.count
    this.#store.db.exec(`delete from docs_${this.record.id}`)
    this.text.clear()
    this.load()
    return count
  }

  /** Bytes of the documents as JSON text, and how many documents. */
  size(): { bytes: number; documents: number } {
    const row = this.#store.get(`select coalesce(sum(length(body)), 0) as bytes from docs_${this.record.id}`)
    return { bytes: Number(row?.bytes ?? 0), documents: this.count }
  }

  saveRecord(): void {
    const { id, uid, primaryKey, createdAt, updatedAt, settings, fields } = this.record
    this.#store.run(
      'update indexes set uid = ?, primary_key = ?, created = ?, updated = ?, settings = ?, fields = ? where id = ?',
      uid,
      primaryKey,
      createdAt,
      updatedAt,
      JSON.stringify(settings),
      JSON.stringify(fields),
      id,
    )
  }

  /** The rank of a searchable field number: 0 is the most important; undefined when it is not searchable. */
  weight(field: number): number | undefined {
    return this.#weights[field]
  }

  fieldName(field: number): string {
    return this.record.fields[field] ?? ''
  }

  isStopWord(word: string): boolean {
    return this.#stopWords.has(word)
  }

  get stopWords(): ReadonlySet<string> {
    return this.#stopWords
  }

  #nextFree(): number | undefined {
    if (!this.#freeInOrder) this.#free.sort((a, b) => b - a)
    this.#freeInOrder = true
    return this.#free.pop()
  }

  #settle(): void {
    const { settings } = this.record
    this.#stopWords = new Set(settings.stopWords.map(normaliseWord))
    this.#fieldNumbers = new Map(this.record.fields.map((name, number) => [name, number]))
    this.#weights = this.record.fields.map(name => this.#weightOf(name))
    this.#faceted.clear()
  }

  #weightOf(name: string): number {
    const rank = this.settings.searchableAttributes.findIndex(pattern => matchesPattern(pattern, name))
    return this.settings.searchableAttributes[0] === '*' ? 0 : rank
  }

  readonly #isSearchable = (path: string): boolean =>
    this.settings.searchableAttributes.some(pattern => matchesPattern(pattern, path))

  readonly #isFaceted = (path: string): boolean => {
    let faceted = this.#faceted.get(path)
    if (faceted === undefined) {
      const { sortableAttributes, distinctAttribute, rankingRules } = this.settings
      const custom = rankingRules.flatMap(rule => customRule(rule)?.field ?? [])
      const names = [...filterablePatterns(this.settings), ...sortableAttributes, ...custom]
      if (distinctAttribute !== null) names.push(distinctAttribute)
      faceted = names.some(pattern => matchesPattern(pattern, path))
      this.#faceted.set(path, faceted)
    }
    return faceted
  }

  #fieldNumber(name: string): number {
    let number = this.#fieldNumbers.get(name)
    if (number === undefined) {
      number = this.record.fields.push(name) - 1
      this.#fieldNumbers.set(name, number)
      this.#weights.push(this.#weightOf(name))
      this.saveRecord()
    }
    return number
  }

  #addText(doc: number, body: Doc): void {
    for (const [path, list] of texts(body, this.#isSearchable)) {
      this.text.add(doc, this.#fieldNumber(path), list, this.#stopWords)
    }
  }

  #removeText(doc: number, body: Doc): void {
    for (const [path, list] of texts(body, this.#isSearchable)) this.text.remove(doc, this.#fieldNumber(path), list)
  }

  #remember(doc: number, key: string, body: Doc): void {
    if (doc >= this.live.length) {
      const live = new Uint8Array(Math.max(doc + 1, this.live.length * 2))
      live.set(this.live)
      this.live = live
    }
    if (this.live[doc] === 0) this.count++
    this.live[doc] = 1
    this.end = Math.max(this.end, doc + 1)
    this.#byKey.set(key, doc)
    this.#keys[doc] = key
    for (const name in body) this.fieldCounts.set(name, (this.fieldCounts.get(name) ?? 0) + 1)
    for (const [path, field] of facetValues(body, this.#isFaceted)) {
      let column = this.columns.get(path)
      if (!column) {
        column = new Column()
        this.columns.set(path, column)
      }
      column.set(doc, field)
    }
    const point = pointOf(body, key)
    if (point) this.geo.set(doc, point)
  }

  #forget(doc: number, body: Doc): void {
    for (const name in body) {
      const left = (this.fieldCounts.get(name) ?? 1) - 1
      if (left > 0) this.fieldCounts.set(name, left)
      else this.fieldCounts.delete(name)
    }
    for (const path of facetValues(body, this.#isFaceted).keys()) this.columns.get(path)?.remove(doc)
    this.geo.remove(doc)
  }
}
