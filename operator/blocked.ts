/** Why an object is not Ready: values that steps return, errors that they throw, one shape for both. */
import { KubeError } from './kube-error.ts'

export interface Blocked {
  /**
   * - `Refused`: the spec is not accepted; nothing is done until it, or what it refers to, changes. `Accepted=False`, Stalled.
   * - `Stalled`: a person must act; looked at again only periodically or after a change.
   * - `Waiting`: all is well so far, something else is not there yet. Looked at again after a change, or with backoff.
   * - `Failed`: a step failed in a way that may pass. Retried with backoff.
   */
  readonly blocked: 'Refused' | 'Stalled' | 'Waiting' | 'Failed'
  /** CamelCase, for machines. */
  readonly reason: string
  /** For people. It must not change from try to try (no times, no counters), or each try costs a write. */
  readonly message: string
  /** The condition of the product that becomes False with this reason, beside Ready. */
  readonly condition?: string
  /** Look again after this many seconds rather than by backoff. */
  readonly afterSeconds?: number
}

type Extra = Pick<Blocked, 'condition' | 'afterSeconds'>

export const refused = (reason: string, message: string, extra: Extra = {}): Blocked => ({
  blocked: 'Refused',
  reason,
  message,
  ...extra,
})

export const stalled = (reason: string, message: string, extra: Extra = {}): Blocked => ({
  blocked: 'Stalled',
  reason,
  message,
  ...extra,
})

export const waiting = (reason: string, message: string, extra: Extra = {}): Blocked => ({
  blocked: 'Waiting',
  reason,
  message,
  ...extra,
})

/** A step gives up until a person acts: Stalled. */
export class StalledError extends Error {
  override readonly name = 'StalledError'
  readonly reason: string
  readonly condition: string | undefined

  constructor(reason: string, message: string, options: { condition?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.reason = reason
    this.condition = options.condition
  }
}

/** A step failed and may succeed later: Reconciling, and a retry with backoff or `afterSeconds`. */
export class RetryError extends Error {
  override readonly name = 'RetryError'
  readonly reason: string
  readonly condition: string | undefined
  readonly afterSeconds: number | undefined

  constructor(
    reason: string,
    message: string,
    options: { condition?: string; afterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.reason = reason
    this.condition = options.condition
    this.afterSeconds = options.afterSeconds
  }
}

/** The product's reading of its own errors; undefined for those it does not know. */
export type Classify = (error: unknown) => Blocked | undefined

/** What an error means. Errors that nobody knows are retried, and their text is shown. */
export function blockedBy(error: unknown, classify?: Classify): Blocked {
  const known = classify?.(error)
  if (known !== undefined) return known
  if (error instanceof StalledError) {
    return stalled(error.reason, error.message, error.condition === undefined ? {} : { condition: error.condition })
  }
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof RetryError) {
    const { condition, afterSeconds } = error
    const extra = { ...(condition && { condition }), ...(afterSeconds !== undefined && { afterSeconds }) }
    return { blocked: 'Failed', reason: error.reason, message, ...extra }
  }
  if (error instanceof KubeError) {
    const afterSeconds = error.retryAfterSeconds
    return { blocked: 'Failed', reason: `Kubernetes${error.reason}`, message, ...(afterSeconds && { afterSeconds }) }
  }
  return { blocked: 'Failed', reason: 'InternalError', message }
}
