/** Authenticated requests to the API server over one pool of connections. */
import {
  type ApiConstructor,
  type ApiType,
  createConfiguration,
  HttpMethod,
  type KubeConfig,
  RequestContext,
  type SecurityAuthentication,
  ServerConfiguration,
} from '@kubernetes/client-node'
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from './clock.ts'

export interface Request {
  readonly method: `${HttpMethod}`
  /** From the root of the server, without query. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly body?: string
  readonly contentType?: string
  readonly signal: AbortSignal
}

export interface Response {
  readonly status: number
  /** To be read to its end, or broken off by the signal of the request. */
  readonly body: AsyncIterable<Uint8Array> & { text(): Promise<string> }
}

type Credentials = { headers: Readonly<Record<string, string>>; dispatcher: Dispatcher; tls: string; until: number }

/** Tokens are rotated on disk; the client library reads them again after a minute. */
const credentialsMs = 30_000

/**
 * The client library makes a new connection pool for every call, so each call pays a TLS handshake. This keeps one, for
 * our own requests and, through `api()`, for the library's typed calls.
 */
export class Transport implements SecurityAuthentication {
  readonly server: string
  readonly #config: KubeConfig
  readonly #clock: Clock
  readonly #userAgent: string
  readonly #origin: string
  /** Path of the server below its origin, as behind a proxy of many clusters. */
  readonly #root: string
  #credentials: Credentials | undefined
  #loading: Promise<Credentials> | undefined

  /** Throws when the configuration names no cluster. */
  constructor(config: KubeConfig, clock: Clock, userAgent: string) {
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new Error('the kubeconfig has no current cluster')
    this.server = cluster.server.replace(/\/$/, '')
    const { origin, pathname } = new URL(this.server)
    this.#origin = origin
    this.#root = pathname.replace(/\/$/, '')
    this.#config = config
    this.#clock = clock
    this.#userAgent = userAgent
  }

  /**
   * Sends a request; rejects only when no answer comes. Not by `fetch`, as the library does: its streams, headers and
   * bookkeeping cost as much again as all the rest of a request.
   */
  async send({ method, path, query = {}, body, contentType, signal }: Request): Promise<Response> {
    const { headers, dispatcher } = await this.#current()
    const asked = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) if (value !== undefined) asked.set(name, String(value))
    const search = asked.size === 0 ? '' : `?${asked}`
    const response = await dispatcher.request({
      origin: this.#origin,
      path: `${this.#root}${path}${search}`,
      method,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      },
      ...(body === undefined ? {} : { body }),
      signal,
    })
    if (response.statusCode === 401) this.#expire()
    return { status: response.statusCode, body: response.body }
  }

  /** A typed API of the client library that shares our connections: `transport.api(AuthenticationV1Api)`. */
  api<T extends ApiType>(Api: ApiConstructor<T>): T {
    return new Api(
      createConfiguration({ baseServer: new ServerConfiguration(this.server, {}), authMethods: { default: this } }),
    )
  }

  getName(): string {
    return 'operator'
  }

  async applySecurityAuthentication(context: RequestContext): Promise<void> {
    const credentials = await this.#current()
    context.setHeaderParam('User-Agent', this.#userAgent)
    for (const [name, value] of Object.entries(credentials.headers)) context.setHeaderParam(name, value)
    context.setDispatcher(credentials.dispatcher)
  }

  /** Later requests use new connections: to be called when a connection went silent. Requests under way go on. */
  renew(): void {
    const old = this.#credentials
    this.#credentials = undefined
    retire(old?.dispatcher)
  }

  /** Ends every request under way and closes the connections. */
  async close(): Promise<void> {
    const old = this.#credentials
    this.#credentials = undefined
    await old?.dispatcher.destroy()
  }

  async #current(): Promise<Credentials> {
    const known = this.#credentials
    if (known !== undefined && known.until > this.#clock.now()) return known
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<Credentials> {
    const context = new RequestContext(this.server, HttpMethod.GET)
    await this.#config.applySecurityAuthentication(context)
    const options: Parameters<KubeConfig['applyToHTTPSOptions']>[0] = {}
    await this.#config.applyToHTTPSOptions(options)
    const tls = JSON.stringify([options.ca, options.cert, options.key, options.pfx].map(part => part?.toString()))
    const old = this.#credentials
    const same = old !== undefined && old.tls === tls
    if (!same) retire(old?.dispatcher)
    // A server that the system's certificates vouch for needs no pool with its own, and is given none.
    const dispatcher = same ? old.dispatcher : (context.getDispatcher() ?? new Agent())
    this.#credentials = { headers: context.getHeaders(), dispatcher, tls, until: this.#clock.now() + credentialsMs }
    return this.#credentials
  }

  #expire(): void {
    if (this.#credentials !== undefined) this.#credentials = { ...this.#credentials, until: 0 }
  }
}

/** Closes a pool once its requests have ended. It is no longer ours by then, so a failure concerns nobody. */
function retire(dispatcher: Dispatcher | undefined): void {
  dispatcher?.close().catch(() => {})
}
