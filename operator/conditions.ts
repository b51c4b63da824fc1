/** Conditions of a status, by the Kubernetes API conventions and kstatus. */
import type { Condition } from './kind.ts'

/** What a condition says; its times and generation are the core's to add. */
export type ConditionInput = Pick<Condition, 'type' | 'status' | 'reason' | 'message'> & {
  /** Only when it is not about the present generation. */
  readonly observedGeneration?: number
}

const maxMessage = 1024

/** The condition of that type, if there is one. */
export function conditionOf(
  object: { readonly status?: { readonly conditions?: readonly Condition[] } } | undefined,
  type: string,
): Condition | undefined {
  return object?.status?.conditions?.find(condition => condition.type === type)
}

export function isTrue(object: Parameters<typeof conditionOf>[0], type: string): boolean {
  return conditionOf(object, type)?.status === 'True'
}

/**
 * The conditions to store: those of `wanted` in their order, stamped. `lastTransitionTime` is kept while a status stays
 * the same. A type that is not wanted is gone.
 */
export function stampConditions(
  wanted: readonly ConditionInput[],
  previous: readonly Condition[],
  at: { readonly generation: number | undefined; readonly now: number },
): Condition[] {
  const now = `${new Date(at.now).toISOString().slice(0, 19)}Z` // metav1.Time has whole seconds
  return wanted.map(({ type, status, reason, message, observedGeneration = at.generation }) => {
    const before = previous.find(condition => condition.type === type)
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now
    const short = message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message
    const observed = observedGeneration === undefined ? {} : { observedGeneration }
    return { type, status, reason, message: short, lastTransitionTime, ...observed }
  })
}
