/** Authenticated requests to the API server over one pool of connections. */
import {
  type ApiConstructor,
  type ApiType,
  createConfiguration,
  type HttpMethod,
  IsomorphicFetchHttpLibrary,
  type KubeConfig,
  RequestContext,
  type ResponseContext,
  type SecurityAuthentication,
  ServerConfiguration,
} from '@kubernetes/client-node'
import type { Clock } from './clock.ts'

export interface Request {
  readonly method: HttpMethod
  /** From the root of the server, without query. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly body?: string
  readonly contentType?: string
  readonly signal: AbortSignal
}

type Dispatcher = ReturnType<RequestContext['getDispatcher']>
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
  readonly #http = new IsomorphicFetchHttpLibrary()
  #credentials: Credentials | undefined
  #loading: Promise<Credentials> | undefined

  /** Throws when the configuration names no cluster. */
  constructor(config: KubeConfig, clock: Clock, userAgent: string) {
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new Error('the kubeconfig has no current cluster')
    this.server = cluster.server.replace(/\/$/, '')
    this.#config = config
    this.#clock = clock
    this.#userAgent = userAgent
  }

  /** Sends a request; rejects only when no answer comes. The body is still to be read. */
  async send(request: Request): Promise<ResponseContext> {
    const context = new RequestContext(this.server + request.path, request.method)
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) context.setQueryParam(name, String(value))
    }
    context.setHeaderParam('Accept', 'application/json')
    if (request.contentType !== undefined) context.setHeaderParam('Content-Type', request.contentType)
    if (request.body !== undefined) context.setBody(request.body)
    context.setSignal(request.signal)
    await this.applySecurityAuthentication(context)
    const response = await this.#http.send(context).toPromise()
    if (response.httpStatusCode === 401) this.#expire()
    return response
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
    if (credentials.dispatcher !== undefined) context.setDispatcher(credentials.dispatcher)
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
    await old?.dispatcher?.destroy()
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
    const context = new RequestContext(this.server, 'GET')
    await this.#config.applySecurityAuthentication(context)
    const options: Parameters<KubeConfig['applyToHTTPSOptions']>[0] = {}
    await this.#config.applyToHTTPSOptions(options)
    const tls = JSON.stringify([options.ca, options.cert, options.key, options.pfx].map(part => part?.toString()))
    const old = this.#credentials
    const same = old !== undefined && old.tls === tls
    if (!same) retire(old?.dispatcher)
    const dispatcher = same ? old.dispatcher : context.getDispatcher()
    this.#credentials = { headers: context.getHeaders(), dispatcher, tls, until: this.#clock.now() + credentialsMs }
    return this.#credentials
  }

  #expire(): void {
    if (this.#credentials !== undefined) this.#credentials = { ...this.#credentials, until: 0 }
  }
}

/** Closes a pool once its requests have ended. It is no longer ours by then, so a failure concerns nobody. */
function retire(dispatcher: Dispatcher): void {
  dispatcher?.close().catch(() => {})
}
