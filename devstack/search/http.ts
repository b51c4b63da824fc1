/** HTTP: routing by method and path, authorisation, reading bodies, answering. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { ApiError, asApiError } from './errors.ts'
import type { Json } from './json.ts'
import type { Caller, Keys } from './keys.ts'
import { parseJson } from './payload.ts'

/** What a handler is given. `param` reads a `:name` of the path. */
export type Request = {
  param: (name: string) => string
  query: URLSearchParams
  contentType: string | undefined
  caller: Caller
  text: () => Promise<string>
  json: () => Promise<Json>
}

export type Answer = { status: number; body?: unknown }

/** `action` is what the caller's key must allow; null needs no key. */
export type Route = {
  method: string
  path: string
  action: string | null
  handle: (request: Request) => Answer | Promise<Answer>
}

/** Bytes a request body may have. */
const MAX_BODY = 100 * 1024 * 1024

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    size += part.length
    if (size > MAX_BODY) {
      throw new ApiError(
        'payload_too_large',
        `The provided payload reached the size limit. The maximum accepted payload size is ${MAX_BODY} bytes.`,
      )
    }
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString('utf8')
}

type Compiled = { route: Route; parts: string[] }

function match(parts: readonly string[], path: readonly string[]): Map<string, string> | undefined {
  if (parts.length !== path.length) return undefined
  const params = new Map<string, string>()
  for (const [i, part] of parts.entries()) {
    const given = path[i] ?? ''
    if (part.startsWith(':')) params.set(part.slice(1), given)
    else if (part !== given) return undefined
  }
  return params
}

/** A server that answers the routes; `report` is told of what went wrong inside. */
export function createApi(routes: readonly Route[], keys: Keys, report: (thrown: unknown) => void): Server {
  const byMethod = new Map<string, Compiled[]>()
  for (const route of routes) {
    const list = byMethod.get(route.method) ?? []
    list.push({ route, parts: route.path.split('/').slice(1) })
    byMethod.set(route.method, list)
  }
  const answer = async (message: IncomingMessage): Promise<Answer> => {
    const url = new URL(message.url ?? '/', 'http://localhost')
    const path = url.pathname.split('/').slice(1).map(decode)
    for (const { route, parts } of byMethod.get(message.method ?? '') ?? []) {
      const params = match(parts, path)
      if (params) return respond(route, params, url.searchParams, message)
    }
    throw new ApiError('not_found', 'Not Found')
  }
  const respond = async (
    route: Route,
    params: Map<string, string>,
    query: URLSearchParams,
    message: IncomingMessage,
  ): Promise<Answer> => {
    const caller = authorise(route, params, keys, message.headers.authorization)
    const text = (): Promise<string> => readBody(message)
    return route.handle({
      param: name => params.get(name) ?? '',
      query,
      contentType: message.headers['content-type'],
      caller,
      text,
      json: async () => {
        const body = await text()
        if (body === '') throw new ApiError('missing_payload', 'A json payload is missing.')
        return parseJson(body)
      },
    })
  }
  return createServer((message, response) => {
    answer(message)
      .catch((thrown: unknown): Answer => {
        const error = asApiError(thrown)
        if (error.code === 'internal') report(thrown)
        return { status: error.status, body: error.body() }
      })
      .then(given => send(response, message, given))
      .catch(report)
  })
}

/** A path segment as it was before encoding; as it stands when it is not encoded rightly. */
function decode(part: string): string {
  return /%(?![0-9a-f]{2})/i.test(part) ? part : decodeURIComponent(part)
}

const nobody: Caller = { may: () => false, mayUse: () => false, indexes: [] }

function authorise(route: Route, params: Map<string, string>, keys: Keys, header: string | undefined): Caller {
  if (route.action === null) return nobody
  const caller = keys.caller(header)
  if (!caller.may(route.action)) throw new ApiError('invalid_api_key', 'The provided API key is invalid.')
  const index = params.get('index')
  if (index !== undefined) checkIndex(caller, index)
  return caller
}

/** Throws unless the caller may use the index. */
export function checkIndex(caller: Caller, index: string): void {
  if (caller.mayUse(index)) return
  throw new ApiError(
    'invalid_api_key',
    `The API key cannot acces the index \`${index}\`, authorized indexes are ${JSON.stringify(caller.indexes)}.`,
  )
}

function send(response: ServerResponse, message: IncomingMessage, { status, body }: Answer): void {
  if (!message.complete) response.setHeader('connection', 'close')
  if (body === undefined) {
    response.writeHead(status).end()
    return
  }
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}
