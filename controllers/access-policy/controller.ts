/** Accepts AccessPolicies, and lets them run out. They make nothing: facades read them. */

import type { AccessPolicy } from '../../crds/types.gen.ts'
import { accessPolicies } from '../../directory/kinds.ts'
import {
  type Blocked,
  type Controller,
  defineController,
  type Plan,
  refused,
  type StatusReport,
} from '../../operator/mod.ts'

export type PolicyObserved = {
  /** Seconds until the policy ends; not positive when it has. Undefined: it never does. */
  readonly secondsLeft: number | undefined
}

/** Longest time until the next look, in seconds: timers do not reach further than some weeks. */
const lookAgainSeconds = 86_400

/** What the schema of the API lets through and this version cannot do is refused: a policy half understood grants nothing. */
export function judgePolicy({ spec }: AccessPolicy): Blocked | undefined {
  for (const [i, { kind, name }] of spec.subjects.entries()) {
    if (kind === 'Claim') return notBuilt(`subjects[${i}].kind Claim`)
    if (name === undefined) return refused('InvalidSubject', `subjects[${i}] has no name`)
  }
  for (const [i, rule] of spec.rules.entries()) {
    for (const field of ['where', 'check', 'columns'] as const) {
      if (rule[field] !== undefined) return notBuilt(`rules[${i}].${field}`)
    }
  }
  if (spec.expiresAt !== undefined && Number.isNaN(Date.parse(spec.expiresAt))) {
    return refused('InvalidExpiry', 'expiresAt is not a time in RFC 3339')
  }
  return undefined
}

function notBuilt(what: string): Blocked {
  return refused('NotBuilt', `${what} is not built in this version`)
}

export function observePolicy({ spec }: AccessPolicy, now: number): PolicyObserved {
  return { secondsLeft: spec.expiresAt === undefined ? undefined : (Date.parse(spec.expiresAt) - now) / 1000 }
}

export function planPolicy({ spec }: AccessPolicy, { secondsLeft }: PolicyObserved): Plan<never> {
  const over = secondsLeft !== undefined && secondsLeft <= 0
  return over ? refused('Expired', `the policy allows nothing since ${spec.expiresAt}`) : []
}

export function policyStatus(policy: AccessPolicy, { secondsLeft }: PolicyObserved): StatusReport {
  if (secondsLeft === undefined) return { conditions: [] }
  if (secondsLeft > 0) return { conditions: [], afterSeconds: Math.min(lookAgainSeconds, Math.ceil(secondsLeft)) }
  const message = `the policy allows nothing since ${policy.spec.expiresAt}`
  return { conditions: [{ type: 'Expired', status: 'True', reason: 'Expired', message, gates: false }] }
}

export const accessPolicyController: Controller = defineController({
  kind: accessPolicies,
  accept: judgePolicy,
  connect: () => undefined,
  observe: (policy, _, { now }) => observePolicy(policy, now),
  plan: planPolicy,
  act: () => undefined,
  status: policyStatus,
})
