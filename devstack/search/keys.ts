/** API keys: what each may do, on which indexes, until when. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { ApiError } from './errors.ts'
import { isObject, type Json } from './json.ts'
import { refuseUnknown } from './search-params.ts'
import type { Store } from './store.ts'

export type Key = {
  name: string | null
  description: string | null
  key: string
  uid: string
  actions: string[]
  indexes: string[]
  expiresAt: string | null
  createdAt: string
  updatedAt: string
}

/** Who calls: `may` the action, and on which index. */
export type Caller = { may: (action: string) => boolean; mayUse: (index: string) => boolean; indexes: string[] }

const knownActions = new Set(
  `* *.get search documents.* documents.add documents.get documents.delete indexes.* indexes.create indexes.get
  indexes.update indexes.delete indexes.swap tasks.* tasks.get tasks.cancel tasks.delete settings.* settings.get
  settings.update stats.* stats.get metrics.* metrics.get dumps.* dumps.create snapshots.* snapshots.create version
  keys.get keys.create keys.update keys.delete experimental.get experimental.update network.get network.update
  chatCompletions chats.* chats.get chats.delete chatsSettings.* chatsSettings.get chatsSettings.update`.split(/\s+/),
)

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const master: Caller = { may: () => true, mayUse: () => true, indexes: ['*'] }

const invalidKey = (): ApiError => new ApiError('invalid_api_key', 'The provided API key is invalid.')

const same = (a: string, b: string): boolean => {
  const x = Buffer.from(a)
  const y = Buffer.from(b)
  return x.length === y.length && timingSafeEqual(x, y)
}

export class Keys {
  readonly #store: Store
  readonly #masterKey: string
  readonly #now: () => string
  readonly #newUid: () => string
  readonly #keys = new Map<string, Key>()

  constructor(store: Store, masterKey: string, now: () => string, newUid: () => string) {
    this.#store = store
    this.#masterKey = masterKey
    this.#now = now
    this.#newUid = newUid
    for (const row of store.all('select body from keys')) {
      const key = JSON.parse(String(row.body)) as Key
      this.#keys.set(key.uid, key)
    }
    if (this.#keys.size > 0) return
    const description = (text: string): { description: string; expiresAt: null; indexes: string[] } => ({
      description: text,
      expiresAt: null,
      indexes: ['*'],
    })
    this.create({
      name: 'Default Search API Key',
      actions: ['search'],
      ...description('Use it to search from the frontend'),
    })
    this.create({
      name: 'Default Admin API Key',
      actions: ['*'],
      ...description(
        'Use it for anything that is not a search operation. Caution! Do not expose it on a public frontend',
      ),
    })
  }

  /** Who the Authorization header says the caller is. */
  caller(authorization: string | undefined): Caller {
    if (authorization === undefined) {
      throw new ApiError(
        'missing_authorization_header',
        'The Authorization header is missing. It must use the bearer authorization method.',
      )
    }
    const secret = /^Bearer (.+)$/i.exec(authorization)?.[1] ?? ''
    if (same(secret, this.#masterKey)) return master
    const key = [...this.#keys.values()].find(one => same(this.#secret(one.uid), secret))
    if (!key || (key.expiresAt !== null && key.expiresAt <= this.#now())) throw invalidKey()
    return {
      may: action =>
        key.actions.some(
          one =>
            one === action ||
            (one === '*' && !action.startsWith('keys.')) ||
            (one === '*.get' && action.endsWith('.get') && action !== 'keys.get') ||
            (one.endsWith('.*') && action.startsWith(one.slice(0, -1))),
        ),
      mayUse: index =>
        key.indexes.some(pattern =>
          pattern.endsWith('*') ? index.startsWith(pattern.slice(0, -1)) : pattern === index,
        ),
      indexes: key.indexes,
    }
  }

  all(): Key[] {
    return [...this.#keys.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0))
  }

  /** By uid or by the key itself. */
  get(name: string): Key {
    const key = this.#keys.get(name) ?? [...this.#keys.values()].find(one => same(one.key, name))
    if (!key) throw new ApiError('api_key_not_found', `API key \`${name}\` not found.`)
    return key
  }

  create(body: Json): Key {
    if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
    refuseUnknown(body, ['description', 'name', 'uid', 'actions', 'indexes', 'expiresAt'])
    if (body.actions === undefined) throw new ApiError('missing_api_key_actions', 'Missing field `actions`')
    if (body.indexes === undefined) throw new ApiError('missing_api_key_indexes', 'Missing field `indexes`')
    if (body.expiresAt === undefined) throw new ApiError('missing_api_key_expires_at', 'Missing field `expiresAt`')
    const uid = body.uid ?? this.#newUid()
    if (typeof uid !== 'string' || !uuid.test(uid) || this.#keys.has(uid)) {
      throw new ApiError('bad_request', `Invalid value at \`.uid\`: \`${JSON.stringify(uid)}\` is not a new UUID.`)
    }
    const now = this.#now()
    const key: Key = {
      name: optionalText(body.name),
      description: optionalText(body.description),
      key: this.#secret(uid),
      uid,
      actions: actionsOf(body.actions),
      indexes: indexesOf(body.indexes),
      expiresAt: expiryOf(body.expiresAt, now),
      createdAt: now,
      updatedAt: now,
    }
    this.#save(key)
    return key
  }

  update(name: string, body: Json): Key {
    const key = this.get(name)
    if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
    const fixed = Object.keys(body).find(field => field !== 'name' && field !== 'description')
    if (fixed === 'key')
      throw new ApiError('immutable_api_key_key', 'Immutable field `key`: expected one of `description`, `name`')
    if (fixed === 'uid')
      throw new ApiError('immutable_api_key_uid', 'Immutable field `uid`: expected one of `description`, `name`')
    if (fixed !== undefined)
      throw new ApiError('bad_request', `Immutable field \`${fixed}\`: expected one of \`description\`, \`name\``)
    const changed = { ...key, updatedAt: this.#now() }
    if (body.name !== undefined) changed.name = optionalText(body.name)
    if (body.description !== undefined) changed.description = optionalText(body.description)
    this.#save(changed)
    return changed
  }

  delete(name: string): void {
    const { uid } = this.get(name)
    this.#store.transaction(() => this.#store.run('delete from keys where uid = ?', uid))
    this.#keys.delete(uid)
  }

  /** Follows from the master key and the uid, as in Meilisearch: a new master key changes every key. */
  #secret(uid: string): string {
    return createHmac('sha256', this.#masterKey).update(uid).digest('hex')
  }

  #save(key: Key): void {
    this.#store.transaction(() =>
      this.#store.run('insert or replace into keys values (?, ?)', key.uid, JSON.stringify(key)),
    )
    this.#keys.set(key.uid, key)
  }
}

const optionalText = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)

function actionsOf(value: Json): string[] {
  if (!Array.isArray(value))
    throw new ApiError('invalid_api_key_actions', 'Invalid value type at `.actions`: expected an array')
  return value.map((action, i) => {
    if (typeof action === 'string' && knownActions.has(action)) return action
    throw new ApiError('invalid_api_key_actions', `Unknown value \`${String(action)}\` at \`.actions[${i}]\``)
  })
}

function indexesOf(value: Json): string[] {
  if (!Array.isArray(value))
    throw new ApiError('invalid_api_key_indexes', 'Invalid value type at `.indexes`: expected an array')
  return value.map((index, i) => {
    if (typeof index === 'string' && /^[a-zA-Z0-9_-]*\*?$/.test(index) && index !== '') return index
    throw new ApiError(
      'invalid_api_key_indexes',
      `Invalid value at \`.indexes[${i}]\`: \`${String(index)}\` is not a valid index uid pattern.`,
    )
  })
}

function expiryOf(value: Json, now: string): string | null {
  if (value === null) return null
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (Number.isNaN(time) || new Date(time).toISOString() <= now) {
    throw new ApiError(
      'invalid_api_key_expires_at',
      `Invalid value at \`.expiresAt\`: \`${String(value)}\` is not a valid date in the future. It should follow the RFC 3339 format.`,
    )
  }
  return new Date(time).toISOString()
}
