/** Accepts AccessPolicies, and lets them run out. They make nothing: facades read them. */

import { isBlastyError } from '../../base/errors.ts'
import type { AccessPolicy, AccessPolicyRule } from '../../crds/types.gen.ts'
import { accessPolicies, limitableActions, policiesByTable, tables } from '../../directory/kinds.ts'
import { parsePredicate } from '../../engine/predicate/parse.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import {
  type Blocked,
  type Controller,
  defineController,
  keyFor,
  keyOf,
  mapped,
  type Plan,
  type Reader,
  refused,
  type StatusReport,
} from '../../operator/mod.ts'
import { tableMade } from '../dependents.ts'

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
  for (const [i, { where, check, columns, actions }] of spec.rules.entries()) {
    if (check !== undefined) return notBuilt(`rules[${i}].check`)
    const whole = actions.filter(action => !limitableActions.some(one => one === action))
    if ((where !== undefined || columns !== undefined) && whole.length > 0)
      return notBuilt(`rules[${i}]: where or columns for ${whole.join(', ')}`)
  }
  if (spec.expiresAt !== undefined && Number.isNaN(Date.parse(spec.expiresAt))) {
    return refused('InvalidExpiry', 'expiresAt is not a time in RFC 3339')
  }
  return undefined
}

/** Conditions and columns must fit each Table that there is; a refusal names the construct and its position. */
export async function judgeLimits({ spec, metadata }: AccessPolicy, read: Reader): Promise<Blocked | undefined> {
  for (const [i, rule] of spec.rules.entries()) {
    for (const name of rule.tables.names) {
      const schema = read(tables).get(keyFor(name, metadata.namespace))?.status?.schema
      const blocked = schema && (await judgeLimit(rule, schema, `rules[${i}]`, name))
      if (blocked !== undefined) return blocked
    }
  }
  return undefined
}

async function judgeLimit(
  { where, columns = [] }: AccessPolicyRule,
  schema: TableSchema,
  place: string,
  table: string,
): Promise<Blocked | undefined> {
  const unknown = columns.find(column => !schema.columns.some(({ name }) => name === column))
  if (unknown !== undefined)
    return refused('InvalidColumns', `${place}.columns: Table ${table} has no column ${unknown}`)
  try {
    if (where !== undefined) await parsePredicate(where, schema)
    return undefined
  } catch (error) {
    if (isBlastyError(error, 'INVALID_PREDICATE'))
      return refused('InvalidWhere', `${place}.where for Table ${table}: ${error.message}`)
    throw error
  }
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
  watches: [
    mapped(tables, (table, read) => read(accessPolicies).by(policiesByTable, keyOf(table)).map(keyOf), {
      when: tableMade,
    }),
  ],
  accept: async (policy, { read }) => judgePolicy(policy) ?? (await judgeLimits(policy, read)),
  connect: () => undefined,
  observe: (policy, _, { now }) => observePolicy(policy, now),
  plan: planPolicy,
  act: () => undefined,
  status: policyStatus,
})
