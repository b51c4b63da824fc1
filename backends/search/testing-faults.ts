/** A way to a real search server on which chosen requests go wrong, as a network, a proxy or the server itself makes them. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectSearch, type Search } from './search.ts'

/**
 * What becomes of a request. `refused`: it never arrives · `failing`: it is answered with 500 and not done · `lost`: it is done, and the
 * connection ends without an answer · `late`: the answer comes late · `too late`: it comes when the client has given up.
 */
export const searchFaults = ['refused', 'failing', 'lost', 'late', 'too late'] as const
export type SearchFault = (typeof searchFaults)[number]

export type FaultyWay = AsyncDisposable & {
  /** The server by this way. */
  readonly search: Search
  /** From now on the requests that `chosen` says go wrong: by their numbers, from 1, and what they ask, such as `GET /indexes/x`. */
  readonly strike: (fault: SearchFault, chosen: (number: number, asked: string) => boolean) => void
  /** Nothing goes wrong any more. */
  readonly mend: () => void
  /** How many requests there were since `strike`, and how many of them went wrong. */
  readonly counts: () => { readonly requests: number; readonly struck: number }
}

/** How long the client waits for an answer, and how late the answers are, in milliseconds. */
const [patience, late, tooLate] = [400, 100, 800]

export async function faultyWay(server: { readonly host: string; readonly key: string }): Promise<FaultyWay> {
  const upstream = new URL(server.host)
  const nothing = { fault: 'refused' as SearchFault, chosen: (_number: number, _asked: string) => false }
  let struck = nothing
  let counts = { requests: 0, struck: 0 }
  const passOn = async (asked: IncomingMessage) => {
    const { method, url, headers } = asked
    const passed = request({ host: upstream.hostname, port: upstream.port, method, path: url, headers })
    const answered = once(passed, 'response')
    passed.end(Buffer.concat(await asked.toArray()))
    const [response]: IncomingMessage[] = await answered
    if (response === undefined) throw new Error('no response')
    return {
      status: response.statusCode ?? 502,
      headers: response.headers,
      body: Buffer.concat(await response.toArray()),
    }
  }
  const handle = async (asked: IncomingMessage, answer: ServerResponse) => {
    counts = { ...counts, requests: counts.requests + 1 }
    const hit = struck.chosen(counts.requests, `${asked.method} ${asked.url}`)
    const { fault } = struck
    if (hit) counts = { ...counts, struck: counts.struck + 1 }
    if (hit && fault === 'refused') return answer.destroy()
    if (hit && fault === 'failing') {
      const body = { message: 'an internal error', code: 'internal', type: 'internal', link: '' }
      return answer.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    const { status, headers, body } = await passOn(asked)
    if (hit && fault === 'lost') return answer.destroy()
    if (hit) await sleep(fault === 'late' ? late : tooLate)
    return answer.writeHead(status, headers).end(body)
  }
  const proxy = createServer((asked, answer) => {
    // Whoever asked broke off, or the server did: the other end is to see it.
    handle(asked, answer).catch(() => answer.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('the way has no port')
  const host = `http://127.0.0.1:${address.port}`
  return {
    search: connectSearch({ hosts: [host], key: server.key, timeoutMillis: patience }),
    strike: (fault, chosen) => {
      struck = { fault, chosen }
      counts = { requests: 0, struck: 0 }
    },
    mend: () => {
      struck = nothing
    },
    counts: () => counts,
    [Symbol.asyncDispose]: async () => {
      const closed = once(proxy, 'close')
      proxy.close()
      proxy.closeAllConnections()
      await closed
    },
  }
}
