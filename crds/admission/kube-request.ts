/** One JSON request to an API server, for the admission tests: they need the body of a refusal, and many requests a second. */
import { Agent, request } from 'node:https'

/** Where the server is and who asks. `ca` is PEM. */
export type Access = { readonly server: string; readonly ca: string; readonly token: string }

/** `body` is parsed when it is JSON, else text. */
export type Answer = { readonly status: number; readonly body: unknown }

const timeoutMilliseconds = 30_000
const agent = new Agent({ keepAlive: true, maxSockets: 4 })

/** Resolves with what the server answers, whatever its status; rejects when it does not answer. */
export function kubeRequest(access: Access, method: string, path: string, body?: unknown): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const contentType = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json'
  const outgoing = request(
    new URL(path, access.server),
    {
      method,
      agent,
      ca: access.ca,
      timeout: timeoutMilliseconds,
      headers: { authorization: `Bearer ${access.token}`, 'content-type': contentType },
    },
    response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = response.headers['content-type']?.startsWith('application/json') === true
        resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text })
      })
    },
  )
  outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} gave no answer in time`)))
  outgoing.on('error', reject)
  outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  return promise
}

/** As `kubeRequest`, but rejects unless the status is 2xx. */
export async function kubeCall(access: Access, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await kubeRequest(access, method, path, body)
  if (answer.status < 200 || answer.status > 299)
    throw new Error(`${method} ${path} answers ${answer.status}: ${JSON.stringify(answer.body).slice(0, 2000)}`)
  return answer.body
}
