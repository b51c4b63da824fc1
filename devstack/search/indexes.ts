/** The indexes of the server, by uid. Every change here runs inside a transaction. */
import { ApiError, indexNotFound } from './errors.ts'
import { type IndexRecord, SearchIndex } from './search-index.ts'
import { defaultSettings } from './settings.ts'
import type { Store } from './store.ts'

const validUid = /^[a-zA-Z0-9_-]{1,512}$/

/** Throws unless `uid` may name an index. */
export function checkUid(uid: string, place = '`.uid`: '): void {
  if (validUid.test(uid)) return
  const value = place === '' ? '' : `Invalid value at ${place}`
  throw new ApiError(
    'invalid_index_uid',
    `${value}\`${uid}\` is not a valid index uid. Index uid can be an integer or a string containing only alphanumeric characters, hyphens (-) and underscores (_), and can not be more than 512 bytes.`,
  )
}

export class Indexes {
  readonly #store: Store
  #byUid = new Map<string, SearchIndex>()

  constructor(store: Store) {
    this.#store = store
    this.load()
  }

  /** Reads every index from the disk. */
  load(): void {
    this.#byUid.clear()
    for (const row of this.#store.all('select * from indexes order by uid')) {
      const record: IndexRecord = {
        id: Number(row.id),
        uid: String(row.uid),
        primaryKey: row.primary_key === null ? null : String(row.primary_key),
        createdAt: String(row.created),
        updatedAt: String(row.updated),
        settings: { ...defaultSettings(), ...JSON.parse(String(row.settings)) },
        fields: JSON.parse(String(row.fields)),
      }
      this.#byUid.set(record.uid, new SearchIndex(this.#store, record))
    }
  }

  has(uid: string): boolean {
    return this.#byUid.has(uid)
  }

  get(uid: string): SearchIndex {
    const index = this.#byUid.get(uid)
    if (!index) throw indexNotFound(uid)
    return index
  }

  all(): SearchIndex[] {
    return [...this.#byUid.values()].sort((a, b) => (a.record.uid < b.record.uid ? -1 : 1))
  }

  create(uid: string, primaryKey: string | null, now: string): SearchIndex {
    if (this.#byUid.has(uid)) throw new ApiError('index_already_exists', `Index \`${uid}\` already exists.`)
    const settings = defaultSettings()
    this.#store.run(
      'insert into indexes (uid, primary_key, created, updated, settings, fields) values (?, ?, ?, ?, ?, ?)',
      uid,
      primaryKey,
      now,
      now,
      JSON.stringify(settings),
      '[]',
    )
    const id = Number(this.#store.get('select id from indexes where uid = ?', uid)?.id)
    const record = { id, uid, primaryKey, createdAt: now, updatedAt: now, settings, fields: [] }
    const index = new SearchIndex(this.#store, record)
    this.#byUid.set(uid, index)
    return index
  }

  delete(uid: string): number {
    const index = this.get(uid)
    this.#store.run('delete from indexes where id = ?', index.record.id)
    SearchIndex.drop(this.#store, index.record.id)
    this.#byUid.delete(uid)
    return index.count
  }

  rename(uid: string, to: string): void {
    const index = this.get(uid)
    if (this.#byUid.has(to)) throw new ApiError('index_already_exists', `Index \`${to}\` already exists.`)
    this.#byUid.delete(uid)
    index.record.uid = to
    index.saveRecord()
    this.#byUid.set(to, index)
  }

  /** Gives each index the other's name. */
  swap(a: string, b: string): void {
    const left = this.get(a)
    const right = this.get(b)
    left.record.uid = `\u0000${a}`
    left.saveRecord()
    right.record.uid = a
    right.saveRecord()
    left.record.uid = b
    left.saveRecord()
    this.#byUid.set(a, right)
    this.#byUid.set(b, left)
  }
}
