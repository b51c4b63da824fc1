/** The calls on indexes, their settings and their statistics. */
import type { Context } from './context.ts'
import { ApiError } from './errors.ts'
import type { Answer, Request, Route } from './http.ts'
import { checkUid } from './indexes.ts'
import { isObject, type Json } from './json.ts'
import type { SearchIndex } from './search-index.ts'
import { refuseUnknown } from './search-params.ts'
import { parsePatch, type Settings } from './settings.ts'

const shown = ({ record }: SearchIndex): Json => ({
  uid: record.uid,
  createdAt: record.createdAt,
  updatedAt: record.updatedAt,
  primaryKey: record.primaryKey,
})

/** An offset or limit of a list call. */
export function pageNumber(request: Request, name: 'offset' | 'limit', fallback: number): number {
  const text = request.query.get(name)
  if (text === null) return fallback
  if (/^\d+$/.test(text)) return Number(text)
  const code = name === 'offset' ? 'invalid_index_offset' : 'invalid_index_limit'
  throw new ApiError(code, `Invalid value in parameter \`${name}\`: could not parse \`${text}\` as a positive integer`)
}

/** A body that must be an object with only these fields. */
async function fields(request: Request, ...names: string[]): Promise<{ [name: string]: Json }> {
  const body = await request.json()
  if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
  refuseUnknown(body, names)
  return body
}

function primaryKeyOf(body: { [name: string]: Json }): string | null {
  const { primaryKey } = body
  if (primaryKey === undefined || primaryKey === null || typeof primaryKey === 'string') return primaryKey ?? null
  throw new ApiError('invalid_index_primary_key', 'Invalid value type at `.primaryKey`: expected a string')
}

export function statsOf(context: Context, index: SearchIndex): { [name: string]: Json } {
  const { bytes, documents } = index.size()
  return {
    numberOfDocuments: index.count,
    rawDocumentDbSize: bytes,
    avgDocumentSize: documents === 0 ? 0 : Math.round(bytes / documents),
    isIndexing: context.queue.isIndexing(index.record.uid),
    numberOfEmbeddings: 0,
    numberOfEmbeddedDocuments: 0,
    fieldDistribution: Object.fromEntries([...index.fieldCounts].sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}

export function indexRoutes(context: Context): Route[] {
  const { indexes } = context
  const list = (request: Request): Answer => {
    const offset = pageNumber(request, 'offset', 0)
    const limit = pageNumber(request, 'limit', 20)
    const all = indexes.all().filter(index => request.caller.mayUse(index.record.uid))
    return {
      status: 200,
      body: { results: all.slice(offset, offset + limit).map(shown), offset, limit, total: all.length },
    }
  }
  const create = async (request: Request): Promise<Answer> => {
    const body = await fields(request, 'uid', 'primaryKey')
    if (typeof body.uid !== 'string') throw new ApiError('missing_index_uid', 'Missing field `uid`')
    checkUid(body.uid)
    context.checkIndex(request.caller, body.uid)
    const primaryKey = primaryKeyOf(body)
    return context.enqueue('indexCreation', body.uid, { primaryKey }, { do: 'createIndex', primaryKey })
  }
  const update = async (request: Request): Promise<Answer> => {
    const body = await fields(request, 'uid', 'primaryKey')
    const primaryKey = primaryKeyOf(body)
    const details: { [name: string]: Json } = { primaryKey }
    if (typeof body.uid === 'string') {
      checkUid(body.uid)
      details.newIndexUid = body.uid
    }
    const rename = typeof body.uid === 'string' ? { rename: body.uid } : {}
    return context.enqueue('indexUpdate', request.param('index'), details, { do: 'updateIndex', primaryKey, ...rename })
  }
  const stats = (request: Request): Answer => ({
    status: 200,
    body: statsOf(context, indexes.get(request.param('index'))),
  })
  const globalStats = (request: Request): Answer => {
    const { total, used } = context.store.size()
    const mine = indexes.all().filter(index => request.caller.mayUse(index.record.uid))
    const lastUpdate =
      mine
        .map(index => index.record.updatedAt)
        .sort()
        .at(-1) ?? null
    const each = Object.fromEntries(mine.map(index => [index.record.uid, statsOf(context, index)]))
    return { status: 200, body: { databaseSize: total, usedDatabaseSize: used, lastUpdate, indexes: each } }
  }
  const one = '/indexes/:index'
  return [
    { method: 'GET', path: '/indexes', action: 'indexes.get', handle: list },
    { method: 'POST', path: '/indexes', action: 'indexes.create', handle: create },
    {
      method: 'GET',
      path: one,
      action: 'indexes.get',
      handle: request => ({ status: 200, body: shown(indexes.get(request.param('index'))) }),
    },
    { method: 'PATCH', path: one, action: 'indexes.update', handle: update },
    {
      method: 'DELETE',
      path: one,
      action: 'indexes.delete',
      handle: request =>
        context.enqueue('indexDeletion', request.param('index'), { deletedDocuments: 0 }, { do: 'deleteIndex' }),
    },
    { method: 'GET', path: `${one}/stats`, action: 'stats.get', handle: stats },
    { method: 'GET', path: '/stats', action: 'stats.get', handle: globalStats },
    { method: 'POST', path: '/swap-indexes', action: 'indexes.swap', handle: request => swap(context, request) },
    ...settingsRoutes(context),
  ]
}

async function swap(context: Context, request: Request): Promise<Answer> {
  const body = await request.json()
  if (!Array.isArray(body)) throw new ApiError('bad_request', 'Invalid value type: expected an array')
  const seen = new Set<string>()
  const swaps = body.map((item, i) => {
    const pair = isObject(item) ? item.indexes : undefined
    if (pair === undefined) throw new ApiError('missing_swap_indexes', `Missing field \`indexes\` inside \`[${i}]\``)
    const [left, right, ...more] = Array.isArray(pair) ? pair : []
    if (typeof left !== 'string' || typeof right !== 'string' || more.length > 0) {
      throw new ApiError(
        'invalid_swap_indexes',
        `Invalid value at \`[${i}].indexes\`: Two indexes must be given for each swap.`,
      )
    }
    for (const uid of [left, right]) {
      context.checkIndex(request.caller, uid)
      if (seen.has(uid)) {
        throw new ApiError(
          'invalid_swap_duplicate_index_found',
          `Indexes must be declared only once during a swap. \`${uid}\` was specified several times.`,
        )
      }
      seen.add(uid)
    }
    const indexes: [string, string] = [left, right]
    return { indexes, rename: isObject(item) && item.rename === true }
  })
  return context.enqueue('indexSwap', null, { swaps }, { do: 'swap', swaps })
}

const settingNames: (keyof Settings)[] = [
  'displayedAttributes',
  'searchableAttributes',
  'filterableAttributes',
  'sortableAttributes',
  'rankingRules',
  'stopWords',
  'nonSeparatorTokens',
  'separatorTokens',
  'dictionary',
  'synonyms',
  'distinctAttribute',
  'proximityPrecision',
  'typoTolerance',
  'faceting',
  'pagination',
  'embedders',
  'searchCutoffMs',
  'localizedAttributes',
  'facetSearch',
  'prefixSearch',
]

const dashed = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

function settingsRoutes(context: Context): Route[] {
  const { indexes } = context
  const change = (uid: string, body: Json): Promise<Answer> => {
    checkUid(uid, '')
    const patch = parsePatch(body)
    return context.enqueue('settingsUpdate', uid, patch, { do: 'settings', patch, reset: false })
  }
  const path = '/indexes/:index/settings'
  const read = (request: Request): Settings => indexes.get(request.param('index')).settings
  const routes: Route[] = [
    { method: 'GET', path, action: 'settings.get', handle: request => ({ status: 200, body: read(request) }) },
    {
      method: 'PATCH',
      path,
      action: 'settings.update',
      handle: async request => change(request.param('index'), await request.json()),
    },
    {
      method: 'DELETE',
      path,
      action: 'settings.update',
      handle: request =>
        context.enqueue('settingsUpdate', request.param('index'), {}, { do: 'settings', patch: {}, reset: true }),
    },
  ]
  for (const name of settingNames) {
    const sub = `${path}/${dashed(name)}`
    const put = async (request: Request): Promise<Answer> =>
      change(request.param('index'), { [name]: await request.json() })
    routes.push(
      {
        method: 'GET',
        path: sub,
        action: 'settings.get',
        handle: request => ({ status: 200, body: read(request)[name] }),
      },
      { method: 'PUT', path: sub, action: 'settings.update', handle: put },
      { method: 'PATCH', path: sub, action: 'settings.update', handle: put },
      {
        method: 'DELETE',
        path: sub,
        action: 'settings.update',
        handle: request => change(request.param('index'), { [name]: null }),
      },
    )
  }
  return routes
}
