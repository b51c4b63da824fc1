/** Who calls: bearer tokens of the cluster, checked by TokenReview. */

import { type AuthenticationV1Api, Observable, type ObservableMiddleware } from '@kubernetes/client-node'
import { BlastyError } from '../../base/errors.ts'
import type { Authenticate } from '../grpc/context.ts'
import type { Review, ReviewToken, TokenCache } from './token-cache.ts'

/** The audience that a token must be meant for: `kubectl create token NAME --audience blasty`. */
export const tokenAudience = 'blasty'

/** Reads `authorization: Bearer …` of a call's metadata. */
export function bearerAuthenticator(tokens: TokenCache): Authenticate {
  return async metadata => {
    const [header, second] = metadata.get('authorization')
    if (header === undefined) {
      throw new BlastyError('UNAUTHENTICATED', { problem: 'send metadata `authorization: Bearer <token>`' })
    }
    const [, token] = /^bearer +(\S+) *$/i.exec(String(header)) ?? []
    if (token === undefined || second !== undefined) {
      throw new BlastyError('UNAUTHENTICATED', { problem: 'metadata `authorization` is not one bearer token' })
    }
    return tokens.identify(token)
  }
}

/** Reviews tokens at the apiserver. */
export function kubernetesTokenReview(
  api: Pick<AuthenticationV1Api, 'createTokenReview'>,
  audience = tokenAudience,
): ReviewToken {
  return async (token, signal) => {
    const body = { spec: { token, audiences: [audience] } }
    const { status } = await api.createTokenReview({ body }, { middleware: [abortedBy(signal)] })
    return reviewOf(status ?? {}, audience, expiryOf(token))
  }
}

/** Ends a request of the client library with a signal. */
function abortedBy(signal: AbortSignal): ObservableMiddleware {
  return {
    pre: request => {
      request.setSignal(signal)
      return new Observable(Promise.resolve(request))
    },
    post: response => new Observable(Promise.resolve(response)),
  }
}

type Status = {
  readonly authenticated?: boolean
  readonly audiences?: readonly string[]
  readonly user?: { readonly username?: string; readonly uid?: string; readonly groups?: readonly string[] }
}

/** What a TokenReview's status says. A server that knows nothing of audiences confirms none, and is not believed. */
export function reviewOf(status: Status, audience: string, expiresAt: number | undefined): Review {
  const { authenticated, audiences, user } = status
  if (!authenticated || user?.username === undefined) return { refused: 'the token is not valid, or not any more' }
  if (!audiences?.includes(audience)) return { refused: `the token is not for the audience ${audience}` }
  const identity = {
    user: user.username,
    groups: user.groups ?? [],
    ...(user.uid === undefined ? {} : { uid: user.uid }),
  }
  return { identity, ...(expiresAt === undefined ? {} : { expiresAt }) }
}

/** When a JSON Web Token ends, in milliseconds since 1970. Only ever shortens what the apiserver granted. */
function expiryOf(token: string): number | undefined {
  const payload = token.split('.')[1]
  if (payload === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const exp = typeof claims === 'object' && claims !== null && 'exp' in claims ? claims.exp : undefined
    return typeof exp === 'number' ? exp * 1000 : undefined
  } catch {
    // Not every token is a JSON Web Token; one that is not simply tells no end.
    return undefined
  }
}
