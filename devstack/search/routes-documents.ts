/** The calls on documents. */
import type { Context } from './context.ts'
import { ApiError } from './errors.ts'
import { compileFilter } from './filter.ts'
import { pick } from './format.ts'
import type { Answer, Request, Route } from './http.ts'
import { checkUid } from './indexes.ts'
import { type Doc, isObject, type Json } from './json.ts'
import { parseDocuments } from './payload.ts'
import { Fields, refuseUnknown } from './search-params.ts'
import { firstOf, parseSorts, sortKey } from './sort.ts'

const base = '/indexes/:index/documents'

export function documentRoutes(context: Context): Route[] {
  const { indexes, enqueue } = context
  const put = async (request: Request, merge: boolean): Promise<Answer> => {
    const uid = request.param('index')
    checkUid(uid, '')
    for (const name of request.query.keys()) {
      if (name !== 'primaryKey')
        throw new ApiError('bad_request', `Unknown parameter \`${name}\`: expected one of \`primaryKey\``)
    }
    const docs = parseDocuments(await request.text(), request.contentType)
    const primaryKey = request.query.get('primaryKey')
    const details = { receivedDocuments: docs.length, indexedDocuments: 0 }
    return enqueue('documentAdditionOrUpdate', uid, details, { do: 'put', docs, merge, primaryKey })
  }
  const deletion = (request: Request, keys: string[]): Promise<Answer> => {
    const details = { providedIds: keys.length, deletedDocuments: 0, originalFilter: null }
    return enqueue('documentDeletion', request.param('index'), details, { do: 'delete', keys })
  }
  const deleteBatch = async (request: Request): Promise<Answer> => {
    const body = await request.json()
    if (!Array.isArray(body)) throw new ApiError('bad_request', 'Invalid value type: expected an array')
    return deletion(request, body.map(keyOf))
  }
  const deleteByFilter = async (request: Request): Promise<Answer> => {
    const body = await request.json()
    const filter = isObject(body) ? body.filter : undefined
    if (filter === undefined) throw new ApiError('missing_document_filter', 'Missing field `filter`')
    if (indexes.has(request.param('index')))
      compileFilter(indexes.get(request.param('index')), filter, 'invalid_document_filter')
    const details = { providedIds: 0, deletedDocuments: 0, originalFilter: JSON.stringify(filter) }
    return enqueue('documentDeletion', request.param('index'), details, { do: 'deleteByFilter', filter })
  }
  const getOne = (request: Request): Answer => {
    const index = indexes.get(request.param('index'))
    const key = request.param('id')
    const doc = index.docOf(key)
    const body = doc === undefined ? undefined : index.read(doc)
    if (!body) throw new ApiError('document_not_found', `Document \`${key}\` not found.`)
    const fields = request.query.get('fields')
    return { status: 200, body: fields === null ? body : pick(body, fields.split(',')) }
  }
  const getMany = (request: Request): Answer => {
    const body: { [name: string]: Json } = {}
    for (const [name, value] of request.query) {
      if (name === 'offset' || name === 'limit') body[name] = /^\d+$/.test(value) ? Number(value) : value
      else body[name] = name === 'fields' || name === 'ids' || name === 'sort' ? value.split(',') : value
    }
    if (body.retrieveVectors !== undefined) body.retrieveVectors = body.retrieveVectors === 'true'
    return fetchDocuments(context, request.param('index'), body)
  }
  const keyed = `${base}/:id`
  return [
    { method: 'POST', path: base, action: 'documents.add', handle: request => put(request, false) },
    { method: 'PUT', path: base, action: 'documents.add', handle: request => put(request, true) },
    { method: 'GET', path: base, action: 'documents.get', handle: getMany },
    {
      method: 'POST',
      path: `${base}/fetch`,
      action: 'documents.get',
      handle: async request => fetchDocuments(context, request.param('index'), await request.json()),
    },
    { method: 'POST', path: `${base}/delete-batch`, action: 'documents.delete', handle: deleteBatch },
    { method: 'POST', path: `${base}/delete`, action: 'documents.delete', handle: deleteByFilter },
    {
      method: 'DELETE',
      path: base,
      action: 'documents.delete',
      handle: request =>
        enqueue(
          'documentDeletion',
          request.param('index'),
          { providedIds: 0, deletedDocuments: 0, originalFilter: null },
          { do: 'clear' },
        ),
    },
    { method: 'GET', path: keyed, action: 'documents.get', handle: getOne },
    {
      method: 'DELETE',
      path: keyed,
      action: 'documents.delete',
      handle: request => deletion(request, [request.param('id')]),
    },
  ]
}

const keyOf = (value: Json): string => {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw new ApiError('invalid_document_id', `Document identifier \`${JSON.stringify(value)}\` is invalid.`)
}

function fetchDocuments(context: Context, uid: string, body: Json): Answer {
  const index = context.indexes.get(uid)
  if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
  refuseUnknown(body, ['offset', 'limit', 'fields', 'retrieveVectors', 'ids', 'filter', 'sort'])
  const read = new Fields(body)
  const offset = read.count('offset', 'invalid_document_offset') ?? 0
  const limit = read.count('limit', 'invalid_document_limit') ?? 20
  const fields = read.list('fields', 'invalid_document_fields') ?? ['*']
  const sorts = parseSorts(index, read.list('sort', 'invalid_document_sort') ?? [], 'invalid_document_sort')
  const set = compileFilter(index, body.filter ?? null, 'invalid_document_filter')
  const ids = Array.isArray(body.ids) ? new Set(body.ids.map(id => index.docOf(keyOf(id)))) : undefined
  const docs: number[] = []
  for (let doc = 0; doc < set.length; doc++) if (set[doc] === 1 && (!ids || ids.has(doc))) docs.push(doc)
  const keys = sorts.map(sort => sortKey(index, sort))
  const results = firstOf(docs, keys, offset + limit)
    .slice(offset)
    .map((doc): Doc => pick(index.read(doc) ?? {}, fields))
  return { status: 200, body: { results, offset, limit, total: docs.length } }
}
