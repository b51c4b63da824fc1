/** Requests to the stack's apiserver, and tokens for service accounts. */
import { request } from 'node:https'
import type { KubernetesInfo } from '../info.ts'

const requestTimeoutMilliseconds = 5_000

export type ApiAccess = Pick<KubernetesInfo, 'server' | 'ca' | 'token'>

type Call = { readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'; readonly body?: unknown }

/** Sends JSON and returns the answer parsed. Throws with status and message when it is not 2xx. */
export async function callApi(access: ApiAccess, path: string, call: Call = {}): Promise<unknown> {
  const { status, text } = await send(access, path, call)
  if (status < 200 || status > 299) throw new Error(`${path} answers ${status}: ${text.slice(0, 500)}`)
  return JSON.parse(text)
}

/** Rejects unless the apiserver says that it is ready. */
export async function apiserverReady(access: ApiAccess): Promise<void> {
  const { status, text } = await send(access, '/readyz', {})
  if (status !== 200) throw new Error(`/readyz answers ${status}: ${text.slice(0, 500)}`)
}

function send(
  access: ApiAccess,
  path: string,
  { method = 'GET', body }: Call,
): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const options = {
    method,
    ca: access.ca,
    agent: false, // a connection of its own: the server may be restarted between two calls
    timeout: requestTimeoutMilliseconds,
    headers: { authorization: `Bearer ${access.token}`, 'content-type': 'application/json' },
  }
  const outgoing = request(new URL(path, access.server), options, response => {
    const chunks: Buffer[] = []
    response.on('data', chunk => chunks.push(chunk))
    response.on('error', reject)
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
  })
  outgoing.on('timeout', () =>
    outgoing.destroy(new Error(`${path} gave no answer in ${requestTimeoutMilliseconds} ms`)),
  )
  outgoing.on('error', reject)
  outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  return promise
}

export type TokenRequest = {
  readonly namespace: string
  readonly serviceAccount: string
  /** Whom the token is for; the apiserver itself when empty. */
  readonly audiences?: readonly string[]
  readonly expirationSeconds?: number
}

/** Mints a token for a service account that exists (TokenRequest API). */
export async function serviceAccountToken(access: ApiAccess, wanted: TokenRequest): Promise<string> {
  const path = `/api/v1/namespaces/${wanted.namespace}/serviceaccounts/${wanted.serviceAccount}/token`
  const spec = { audiences: wanted.audiences ?? [], expirationSeconds: wanted.expirationSeconds ?? 86_400 }
  const answer = await callApi(access, path, {
    method: 'POST',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
  })
  const token = at(answer, 'status', 'token')
  if (typeof token !== 'string') throw new Error(`${path} answers without a token`)
  return token
}

/** The value at a path of an answer, or undefined where the path ends early. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let current = value
  for (const name of path) {
    if (typeof current !== 'object' || current === null) return undefined
    current = Object.entries(current).find(([key]) => key === name)?.[1]
  }
  return current
}
