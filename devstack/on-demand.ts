/** Servers that are started when somebody first asks: another process asks over a loopback address, with a token. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { OnDemandInfo, TrinoInfo } from './info.ts'
import { loopback } from './ports.ts'
import { randomSecret } from './secrets.ts'
import type { Stack } from './stack.ts'

const trinoPath = '/trino'

/** Lets other processes start what `stack` has on demand. Disposing of it stops listening, not the servers. */
export async function serveOnDemand(
  stack: Pick<Stack, 'startTrino'>,
): Promise<AsyncDisposable & { readonly info: OnDemandInfo }> {
  const token = randomSecret()
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (request.headers.authorization !== `Bearer ${token}`) answer(401, 'the token is missing or wrong')
    else if (request.method !== 'POST' || request.url !== trinoPath)
      answer(404, 'nothing of that name starts on demand')
    else {
      stack.startTrino().then(
        info => answer(200, info),
        (error: unknown) => answer(500, error instanceof Error ? error.message : String(error)),
      )
    }
  })
  server.listen(0, loopback)
  await once(server, 'listening')
  server.unref()
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the on-demand address has no port')
  return {
    info: { url: `http://${loopback}:${address.port}`, token },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Asks the process that holds the stack for Trino, and waits until it serves. Throws with its reason when it does not start. */
export async function askForTrino({ url, token }: OnDemandInfo): Promise<TrinoInfo> {
  const response = await fetch(`${url}${trinoPath}`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  const body: unknown = await response.json()
  if (!response.ok) throw new Error(`Trino was not started: ${body}`)
  if (isTrinoInfo(body)) return body
  throw new Error(`Trino was not described: ${JSON.stringify(body)}`)
}

function isTrinoInfo(value: unknown): value is TrinoInfo {
  return typeof value === 'object' && value !== null && 'server' in value && 'catalog' in value
}
