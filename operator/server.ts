/** The HTTP face for the platform: /metrics, /healthz, /readyz. */
import { createServer, type ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'

export interface HealthServerOptions {
  /** Default 127.0.0.1; in a pod 0.0.0.0. */
  readonly host?: string
  /** 0 takes a free one. */
  readonly port: number
  readonly registry: Registry
  /** What keeps it from being ready, a line each; none when it is. */
  readonly unready: () => readonly string[]
  /** What is wrong beyond repair, a line each. The kubelet then restarts the pod. Default: nothing ever. */
  readonly unhealthy?: () => readonly string[]
}

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

/** Listens; rejects when the port is taken. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { registry, unready, unhealthy = () => [] } = options
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0]
    if (path === '/healthz') return probe(response, unhealthy())
    if (path === '/readyz') return probe(response, unready())
    if (path !== '/metrics') return answer(response, 404, 'not found: try /metrics, /healthz or /readyz\n')
    registry.metrics().then(
      text => answer(response, 200, text, registry.contentType),
      (error: unknown) => answer(response, 500, `the metrics cannot be collected: ${String(error)}\n`),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host ?? '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    port: address.port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close(error => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}

function probe(response: ServerResponse, problems: readonly string[]): void {
  answer(response, problems.length === 0 ? 200 : 503, problems.length === 0 ? 'ok\n' : `${problems.join('\n')}\n`)
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'Content-Type': type }).end(text)
}
