/** Document payloads: parsing JSON and NDJSON bodies, document ids, guessing the primary key. */
import { ApiError } from './errors.ts'
import { type Doc, isObject, type Json } from './json.ts'

/** Parses a JSON body; the message of a failure is the one of the given format. */
export function parseJson(text: string, format = 'json'): Json {
  try {
    return JSON.parse(text) as Json
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    throw new ApiError('malformed_payload', `The \`${format}\` payload provided is malformed. \`${why}\`.`, {
      cause: thrown,
    })
  }
}

/** The documents of a request body, by its content type. */
export function parseDocuments(text: string, contentType: string | undefined): Doc[] {
  const type = contentType?.split(';')[0]?.trim().toLowerCase()
  if (type === undefined) {
    throw new ApiError(
      'missing_content_type',
      'A Content-Type header is missing. Accepted values for the Content-Type header are: `application/json`, `application/x-ndjson`, `text/csv`',
    )
  }
  if (type === 'application/x-ndjson') return parseLines(text)
  if (type !== 'application/json') {
    throw new ApiError(
      'invalid_content_type',
      `The Content-Type \`${type}\` is invalid. Accepted values for the Content-Type header are: \`application/json\`, \`application/x-ndjson\`, \`text/csv\``,
    )
  }
  if (text === '') throw new ApiError('missing_payload', 'A json payload is missing.')
  const body = parseJson(text)
  const docs = Array.isArray(body) ? body : [body]
  if (docs.every(isObject)) return docs
  throw new ApiError(
    'malformed_payload',
    'The `json` payload provided is malformed. `expected an object or a sequence of objects`.',
  )
}

function parseLines(text: string): Doc[] {
  if (text.trim() === '') throw new ApiError('missing_payload', 'A ndjson payload is missing.')
  const docs: Doc[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const doc = parseJson(line, 'ndjson')
    if (!isObject(doc)) {
      throw new ApiError('malformed_payload', 'The `ndjson` payload provided is malformed. `expected an object`.')
    }
    docs.push(doc)
  }
  return docs
}

const validId = /^[a-zA-Z0-9_-]{1,511}$/

/** The key of a document under a primary key. */
export function documentKey(doc: Doc, primaryKey: string): string {
  let value: Json | undefined = doc[primaryKey]
  if (value === undefined && primaryKey.includes('.')) {
    value = primaryKey.split('.').reduce<Json | undefined>((at, part) => (isObject(at) ? at[part] : undefined), doc)
  }
  if (value === undefined) {
    throw new ApiError(
      'missing_document_id',
      `Document doesn't have a \`${primaryKey}\` attribute: \`${JSON.stringify(doc)}\`.`,
    )
  }
  if (typeof value === 'number' && Number.isInteger(value)) return String(value)
  if (typeof value === 'string' && validId.test(value)) return value
  throw new ApiError(
    'invalid_document_id',
    `Document identifier \`${JSON.stringify(value)}\` is invalid. A document identifier can be of type integer or string, only composed of alphanumeric characters (a-z A-Z 0-9), hyphens (-) and underscores (_), and can not be more than 511 bytes.`,
  )
}

/** The one field of a document whose name ends in `id`. */
export function guessPrimaryKey(doc: Doc): string {
  const candidates = Object.keys(doc).filter(name => name.toLowerCase().endsWith('id'))
  const [first, second] = candidates
  if (first === undefined) {
    throw new ApiError(
      'index_primary_key_no_candidate_found',
      'The primary key inference failed as the engine did not find any field ending with `id` in its name. Please specify the primary key manually using the `primaryKey` query parameter.',
    )
  }
  if (second !== undefined) {
    throw new ApiError(
      'index_primary_key_multiple_candidates_found',
      `The primary key inference failed as the engine found ${candidates.length} fields ending with \`id\` in their names: '${first}' and '${second}'. Please specify the primary key manually using the \`primaryKey\` query parameter.`,
    )
  }
  return first
}
