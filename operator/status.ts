/** The status that an outcome makes: pure. */
import type { Blocked } from './blocked.ts'
import { type ConditionInput, stampConditions } from './conditions.ts'
import type { ReportedCondition, StatusReport } from './controller.ts'
import type { Condition, Reconcilable } from './kind.ts'

/** The steps of a reconcile, in their order. */
export const steps = ['delete', 'accept', 'connect', 'observe', 'plan', 'act', 'verify'] as const
export type Step = (typeof steps)[number]

/** How a reconcile ended, as far as the status tells. */
export type Outcome =
  | { readonly type: 'Ready'; readonly report: StatusReport }
  | { readonly type: 'Blocked'; readonly at: Step; readonly by: Blocked; readonly report?: StatusReport }
  | { readonly type: 'Paused' }

/** What reads `Ready` when a condition that gates it is not True. */
export function gate(report: StatusReport): Blocked | undefined {
  const open = report.conditions.find(condition => condition.gates !== false && condition.status !== 'True')
  if (open === undefined) return undefined
  const { reason, message } = open
  const after = report.afterSeconds === undefined ? {} : { afterSeconds: report.afterSeconds }
  return { blocked: 'Waiting', reason, message, ...after }
}

/**
 * The whole status to apply. Conditions of the product are those reported, else those of before, else Unknown.
 * `Reconciling`, `Stalled` and `Paused` are there only while true (kstatus).
 */
export function composeStatus(
  object: Reconcilable,
  outcome: Outcome,
  declared: readonly string[],
  now: number,
): Record<string, unknown> {
  const { conditions: before = [], observedGeneration: observedBefore, ...fieldsBefore } = object.status ?? {}
  const generation = object.metadata.generation
  const report = outcome.type === 'Paused' ? undefined : outcome.report
  const fields = report === undefined ? fieldsBefore : (report.fields ?? {})
  const own = report?.conditions ?? declared.map(type => known(before, type))
  if (outcome.type === 'Paused') {
    // The spec is not looked at, so neither are the generation and what was found true of the last one.
    const kept = ['Accepted', ...declared, 'Ready'].map(type => known(before, type))
    const paused = { type: 'Paused', status: 'True', reason: 'Paused', message: 'reconciling is paused' } as const
    const conditions = stampConditions([...kept, paused], before, { generation: observedBefore, now })
    return { ...fields, ...(observedBefore === undefined ? {} : { observedGeneration: observedBefore }), conditions }
  }
  const wanted =
    outcome.type === 'Ready' ? readyConditions(own) : blockedConditions(own, outcome.at, outcome.by, before)
  const conditions = stampConditions(wanted, before, { generation, now })
  return { ...fields, ...(generation === undefined ? {} : { observedGeneration: generation }), conditions }
}

const accepted: ConditionInput = { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'the spec is valid' }

function readyConditions(own: readonly ReportedCondition[]): ConditionInput[] {
  return [accepted, ...own, { type: 'Ready', status: 'True', reason: 'Ready', message: 'all is as the spec wants it' }]
}

function blockedConditions(
  own: readonly ReportedCondition[],
  at: Step,
  by: Blocked,
  before: readonly Condition[],
): ConditionInput[] {
  const { reason, message } = by
  const terminal = by.blocked === 'Refused' || by.blocked === 'Stalled'
  const overlaid = own.map(c => (c.type === by.condition ? { ...c, status: 'False' as const, reason, message } : c))
  return [
    acceptedWhen(at, by, before),
    ...overlaid,
    { type: 'Ready', status: 'False', reason, message },
    { type: terminal ? 'Stalled' : 'Reconciling', status: 'True', reason, message },
  ]
}

function acceptedWhen(at: Step, by: Blocked, before: readonly Condition[]): ConditionInput {
  const { reason, message } = by
  if (by.blocked === 'Refused') return { type: 'Accepted', status: 'False', reason, message }
  if (at === 'delete') return known(before, 'Accepted')
  if (at !== 'accept') return accepted
  return { type: 'Accepted', status: by.blocked === 'Stalled' ? 'False' : 'Unknown', reason, message }
}

function known(before: readonly Condition[], type: string): ConditionInput {
  const found = before.find(condition => condition.type === type)
  return found ?? { type, status: 'Unknown', reason: 'Pending', message: 'not looked at yet' }
}
