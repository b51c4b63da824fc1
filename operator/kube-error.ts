/** What the Kubernetes API answers when it refuses, as a short error one can branch on. */
import { ApiException } from '@kubernetes/client-node'
import { isRecord } from './kind.ts'

interface KubeErrorParts {
  readonly status: number
  readonly reason: string
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

const maxMessage = 500

/** A request that failed. Branch on the predicates below, never on the message. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  /** The HTTP status; 0 when no answer came. */
  readonly status: number
  /** The metav1.StatusReason (`NotFound`, `Conflict`, …), or `Unreachable`, `Timeout`, `Malformed`. */
  readonly reason: string
  /** What the server asks for, in seconds. */
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, parts: KubeErrorParts) {
    const short = message.length > maxMessage ? `${message.slice(0, maxMessage)}…` : message
    super(short, parts.cause === undefined ? undefined : { cause: parts.cause })
    this.status = parts.status
    this.reason = parts.reason
    this.retryAfterSeconds = parts.retryAfterSeconds
  }
}

/** The error for an answer that is no success. `what` names the request; `body` is the metav1.Status or whatever came. */
export function errorFromAnswer(what: string, code: number, body: unknown, cause?: unknown): KubeError {
  const answer = parsed(body)
  const details = isRecord(answer.details) ? answer.details : {}
  const text = typeof answer.message === 'string' ? answer.message : plainText(body)
  const reason =
    typeof answer.reason === 'string' && answer.reason !== '' ? answer.reason : (reasons[code] ?? 'Unknown')
  const retryAfter = details.retryAfterSeconds
  return new KubeError(`${what}: ${reason} (${code})${text === '' ? '' : `: ${text}`}`, {
    status: code,
    reason,
    ...(typeof retryAfter === 'number' && retryAfter > 0 ? { retryAfterSeconds: retryAfter } : {}),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** The error for a request that got no answer, or no whole one. */
export function errorFromNetwork(what: string, cause: unknown, reason = 'Unreachable'): KubeError {
  return new KubeError(`${what}: ${reason}: ${deepestMessage(cause)}`, { status: 0, reason, cause })
}

/** Makes a KubeError of anything thrown by a typed call of the client library; `what` names the call. */
export function toKubeError(what: string, error: unknown): KubeError {
  if (error instanceof KubeError) return error
  // The library's own message holds the whole body and all headers.
  if (error instanceof ApiException) return errorFromAnswer(what, error.code, error.body, error)
  return errorFromNetwork(what, error)
}

const statusIs = (error: unknown, ...codes: number[]) => error instanceof KubeError && codes.includes(error.status)
const reasonIs = (error: unknown, ...reasons: string[]) => error instanceof KubeError && reasons.includes(error.reason)

export const isNotFound = (error: unknown): boolean => statusIs(error, 404)
export const isAlreadyExists = (error: unknown): boolean => reasonIs(error, 'AlreadyExists')
/** Somebody else changed the object first. */
export const isConflict = (error: unknown): boolean => statusIs(error, 409) && !isAlreadyExists(error)
/** The resource version asked for is no longer held: list anew. */
export const isGone = (error: unknown): boolean => statusIs(error, 410)
export const isForbidden = (error: unknown): boolean => statusIs(error, 401, 403)
/** The object does not fit its schema or a rule; the same request will fail again. */
export const isInvalid = (error: unknown): boolean => statusIs(error, 400, 422)
/** No answer came: the network, or the server is down. */
export const isUnreachable = (error: unknown): boolean => statusIs(error, 0)
/** True when the same request may succeed later without being changed. */
export const isTransient = (error: unknown): boolean =>
  error instanceof KubeError &&
  (error.status === 0 || error.status >= 500 || statusIs(error, 401, 403, 404, 409, 410, 429))

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Gone',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

function parsed(body: unknown): Record<string, unknown> {
  if (isRecord(body)) return body
  if (typeof body !== 'string') return {}
  try {
    const value: unknown = JSON.parse(body)
    return isRecord(value) ? value : {}
  } catch {
    return {} // a proxy's page or plain text: `plainText` shows it
  }
}

function plainText(body: unknown): string {
  return typeof body === 'string' ? body.replace(/\s+/g, ' ').trim().slice(0, 200) : ''
}

function deepestMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message || error.name
}
