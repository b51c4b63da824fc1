/** The calls the core makes, alike for every kind: get, list, watch, create, patch, delete. */
import type { ApiConstructor, ApiType, KubeConfig } from '@kubernetes/client-node'
import { type Clock, systemClock } from './clock.ts'
import { isRecord, type Key, type Kind, type KubeObject, keyFor, keyOf, pathOf, resourceName } from './kind.ts'
import { errorFromAnswer, errorFromNetwork, KubeError } from './kube-error.ts'
import { type Request, Transport } from './transport.ts'
import { readLines, withSilenceLimit } from './watch-stream.ts'

export interface Page<T> {
  readonly items: readonly T[]
  readonly resourceVersion: string
  /** To be handed in for the next page; undefined on the last. */
  readonly continueAt: string | undefined
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }

export interface ListOptions {
  readonly limit?: number
  readonly continueAt?: string
  readonly signal?: AbortSignal
}

export interface WatchOptions {
  readonly resourceVersion: string
  /** The server ends the watch after this many seconds. */
  readonly timeoutSeconds: number
  /** The watch fails when nothing, not even a bookmark, came for this long. */
  readonly silenceMs: number
  readonly signal: AbortSignal
}

export type PatchType = 'merge' | 'json'

export interface PatchOptions {
  readonly type: PatchType
  readonly subresource?: 'status'
  readonly fieldManager?: string
}

/** Every method throws KubeError and nothing else, and gives up after `requestMs`. */
export interface KubeClient {
  get<T extends KubeObject>(kind: Kind<T>, key: Key): Promise<T>
  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions): Promise<Page<T>>
  /** Yields events until the server ends the watch; throws when it fails (410 as `isGone`) or goes silent. */
  watch<T extends KubeObject>(kind: Kind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>, void, undefined>
  /** `object` needs no apiVersion and kind. */
  create<T extends KubeObject>(kind: Kind<T>, object: object, namespace?: string): Promise<T>
  patch<T extends KubeObject>(kind: Kind<T>, key: Key, patch: object, options: PatchOptions): Promise<T>
  /** Puts the whole status of `object`; a conflict when it was changed since that resource version. */
  replaceStatus<T extends KubeObject>(kind: Kind<T>, object: KubeObject, fieldManager: string): Promise<T>
  /** Deletes the object with this uid, and only that one. */
  delete(kind: Kind, key: Key, uid?: string): Promise<void>
  /** A typed API of the client library over the same connections, for what is not here: reviews, subresources. */
  api<T extends ApiType>(Api: ApiConstructor<T>): T
  close(): Promise<void>
}

export interface ClientOptions {
  readonly clock?: Clock
  /** Who asks, in the server's audit log. */
  readonly userAgent?: string
  /** Milliseconds a request may take; a watch must answer its header within it. Default 30,000. */
  readonly requestMs?: number
  /** Called after each request with its verb and HTTP status (0: no answer), for metrics. */
  readonly onRequest?: (verb: string, resource: string, status: number) => void
}

const patchTypes: Readonly<Record<PatchType, string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
}

/** A client for the current context of `config`. */
export function createClient(config: KubeConfig, options: ClientOptions = {}): KubeClient {
  const clock = options.clock ?? systemClock
  const requestMs = options.requestMs ?? 30_000
  const transport = new Transport(config, clock, options.userAgent ?? 'operator')

  async function call<R>(
    verb: string,
    kind: Kind,
    key: Key | undefined,
    request: Omit<Request, 'signal'>,
    read: (body: unknown) => R,
    signal?: AbortSignal,
  ): Promise<R> {
    const what = describe(verb, kind, key)
    const abort = new AbortController()
    let late = false
    const cancel = clock.after(requestMs, () => {
      late = true
      abort.abort(new Error(`no answer within ${requestMs} ms`))
    })
    const stop = () => abort.abort(signal?.reason)
    if (signal?.aborted === true) stop()
    signal?.addEventListener('abort', stop)
    let status = 0
    try {
      const response = await transport.send({ ...request, signal: abort.signal })
      const text = await response.body.text()
      status = response.status
      if (status >= 300) throw errorFromAnswer(what, status, text)
      return read(JSON.parse(text))
    } catch (error) {
      if (error instanceof KubeError) throw error
      if (late) {
        transport.renew()
        throw errorFromNetwork(what, abort.signal.reason, 'Timeout')
      }
      throw errorFromNetwork(what, error, status === 0 ? 'Unreachable' : 'Malformed')
    } finally {
      cancel()
      signal?.removeEventListener('abort', stop)
      options.onRequest?.(verb, resourceName(kind), status)
    }
  }

  return {
    get: (kind, key) => call('get', kind, key, { method: 'GET', path: pathOf(kind, key) }, kind.decode),

    list: (kind, { limit, continueAt, signal } = {}) => {
      const request = { method: 'GET', path: pathOf(kind), query: { limit, continue: continueAt } } as const
      return call('list', kind, undefined, request, body => pageOf(kind, body), signal)
    },

    create: (kind, object, namespace) => {
      const path = pathOf(kind, namespace === undefined ? undefined : keyFor('', namespace))
      const body = JSON.stringify({ apiVersion: kind.apiVersion, kind: kind.kind, ...object })
      return call(
        'create',
        kind,
        undefined,
        { method: 'POST', path, body, contentType: 'application/json' },
        kind.decode,
      )
    },

    patch: (kind, key, patch, { type, subresource, fieldManager }) => {
      const request = {
        method: 'PATCH',
        path: pathOf(kind, key, subresource),
        query: { fieldManager },
        body: JSON.stringify(patch),
        contentType: patchTypes[type],
      } as const
      return call(subresource === undefined ? 'patch' : `patch ${subresource} of`, kind, key, request, kind.decode)
    },

    replaceStatus: (kind, object, fieldManager) => {
      // Who owns which field is the server's to know: left out, it is kept as it is there.
      const { managedFields: _, ...metadata } = object.metadata
      const key = keyOf(object)
      const request = {
        method: 'PUT',
        path: pathOf(kind, key, 'status'),
        query: { fieldManager },
        body: JSON.stringify({ ...object, metadata }),
        contentType: 'application/json',
      } as const
      return call('replace status of', kind, key, request, kind.decode)
    },

    delete: (kind, key, uid) => {
      const body = JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', ...(uid && { preconditions: { uid } }) })
      const request = { method: 'DELETE', path: pathOf(kind, key), body, contentType: 'application/json' } as const
      return call('delete', kind, key, request, () => undefined)
    },

    async *watch(kind, { resourceVersion, timeoutSeconds, silenceMs, signal }) {
      const what = describe('watch', kind)
      const query = { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds }
      const silence = withSilenceLimit(clock, Math.min(silenceMs, requestMs), signal)
      let status = 0
      try {
        const response = await transport.send({ method: 'GET', path: pathOf(kind), query, signal: silence.signal })
        status = response.status
        silence.heard(silenceMs)
        if (status >= 300) throw errorFromAnswer(what, status, await response.body.text())
        for await (const line of readLines(response.body, () => silence.heard(silenceMs))) {
          yield eventOf(kind, what, line)
        }
      } catch (error) {
        if (error instanceof KubeError) throw error
        if (silence.wasSilent()) {
          transport.renew()
          throw errorFromNetwork(what, silence.signal.reason, 'Timeout')
        }
        throw errorFromNetwork(what, error)
      } finally {
        silence.end()
        options.onRequest?.('watch', resourceName(kind), status)
      }
    },

    api: Api => transport.api(Api),
    close: () => transport.close(),
  }
}

function describe(verb: string, kind: Kind, key?: Key): string {
  return key === undefined ? `${verb} ${resourceName(kind)}` : `${verb} ${resourceName(kind)} ${key}`
}

function pageOf<T extends KubeObject>(kind: Kind<T>, body: unknown): Page<T> {
  if (!isRecord(body) || !isRecord(body.metadata)) throw new TypeError('the answer is no list')
  const { resourceVersion, continue: continueAt } = body.metadata
  const items = body.items ?? []
  if (typeof resourceVersion !== 'string' || !Array.isArray(items)) throw new TypeError('the answer is no list')
  return {
    items: items.map(item => kind.decode(item)),
    resourceVersion,
    continueAt: typeof continueAt === 'string' && continueAt !== '' ? continueAt : undefined,
  }
}

/** One line of a watch; throws on ERROR events and on whatever is no event, since nobody can say what was lost. */
function eventOf<T extends KubeObject>(kind: Kind<T>, what: string, line: string): WatchEvent<T> {
  let event: unknown
  try {
    event = JSON.parse(line)
    if (!isRecord(event) || !isRecord(event.object)) throw new TypeError('no type, or no object')
    const { type, object } = event
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') return { type, object: kind.decode(object) }
    if (type === 'BOOKMARK') return { type, resourceVersion: bookmarkVersion(object) }
    if (type !== 'ERROR') throw new TypeError(`unknown type ${String(type)}`)
    throw errorFromAnswer(what, typeof object.code === 'number' ? object.code : 500, object)
  } catch (error) {
    if (error instanceof KubeError) throw error
    throw errorFromNetwork(`${what}: an event cannot be read`, error, 'Malformed')
  }
}

function bookmarkVersion(object: unknown): string {
  const version = isRecord(object) && isRecord(object.metadata) ? object.metadata.resourceVersion : undefined
  if (typeof version !== 'string') throw new TypeError('a bookmark without resourceVersion')
  return version
}
