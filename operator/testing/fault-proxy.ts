/** A proxy before the API server that does to requests what networks and servers do. It speaks plain HTTP to the client. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface FaultProxy {
  readonly url: string
  /** Paths asked for since the last look, without the query: `get widgets`, `watch widgets`, `patch widgets`. */
  seen(): string[]
  /** Watches open now. */
  readonly watches: number
  /** Breaks every open watch, in the middle of a line. */
  cutWatches(): void
  /** Says no more on any open watch and keeps the connections: what a lost route looks like. */
  freezeWatches(): void
  /** Puts a line into every open watch, as if the server sent it. */
  inject(line: string): void
  /** Answers the next request that `matches` in the server's stead; a status of 0 breaks the connection. */
  answerNext(matches: (url: URL, method: string) => boolean, status: number, body?: object): void
  close(): Promise<void>
}

interface OpenWatch {
  readonly response: ServerResponse
  frozen: boolean
}

export async function startFaultProxy(upstream: { readonly server: string; readonly ca: string }): Promise<FaultProxy> {
  const watches = new Set<OpenWatch>()
  const answers: { matches: (url: URL, method: string) => boolean; status: number; body: object }[] = []
  const seen: string[] = []

  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url ?? '/', upstream.server)
    const method = incoming.method ?? 'GET'
    seen.push(`${url.searchParams.has('watch') ? 'watch' : method.toLowerCase()} ${url.pathname.split('/').pop()}`)
    const planned = answers.findIndex(answer => answer.matches(url, method))
    const [answer] = planned < 0 ? [] : answers.splice(planned, 1)
    if (answer?.status === 0) return void response.destroy()
    if (answer !== undefined) {
      response.writeHead(answer.status, { 'Content-Type': 'application/json' })
      return void response.end(JSON.stringify(answer.body))
    }
    forward(incoming, response, url)
  })

  function forward(incoming: IncomingMessage, response: ServerResponse, url: URL): void {
    const { host: _, ...headers } = incoming.headers
    const request = httpsRequest(
      url,
      { method: incoming.method ?? 'GET', headers, ca: upstream.ca },
      upstreamAnswer => {
        response.writeHead(upstreamAnswer.statusCode ?? 502, upstreamAnswer.headers)
        response.flushHeaders()
        if (!url.searchParams.has('watch')) return void upstreamAnswer.pipe(response)
        const watch: OpenWatch = { response, frozen: false }
        watches.add(watch)
        upstreamAnswer.on('data', (chunk: Uint8Array) => watch.frozen || response.write(chunk))
        upstreamAnswer.on('end', () => watch.frozen || response.end())
        upstreamAnswer.on('error', () => response.destroy())
      },
    )
    request.on('error', () => response.destroy())
    response.on('close', () => {
      for (const watch of watches) if (watch.response === response) watches.delete(watch)
      request.destroy()
    })
    incoming.pipe(request)
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen: () => seen.splice(0),
    get watches() {
      return watches.size
    },
    cutWatches: () => {
      for (const { response } of watches) response.write('{"type":"MODI', () => response.destroy())
    },
    freezeWatches: () => {
      for (const watch of watches) watch.frozen = true
    },
    inject: line => {
      for (const { response } of watches) response.write(`${line}\n`)
    },
    answerNext: (matches, status, body = {}) => answers.push({ matches, status, body }),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
