/** What AccessPolicies allow: pure functions of the caller, the policies and the moment. No policy, no access. */

import { BlastyError } from '../../base/errors.ts'
import type { AccessPolicy, AccessPolicyRule, AccessPolicySubject } from '../../crds/types.gen.ts'
import { limitableActions } from '../../directory/kinds.ts'
import type { Identity } from './identity.ts'

export type { AccessPolicy }

/** What a rule may allow. */
export type Action = AccessPolicyRule['actions'][number]

/** A Table, by Kubernetes namespace and name. */
export type TableName = { readonly namespace: string; readonly name: string }

/** What a rule shows of a Table: the rows for which `where` is true, and of them `columns` besides the key; unset = all. */
export type Limit = { readonly where?: string; readonly columns?: readonly string[] }

/** How far an action is allowed: on all of the Table, or on what any of the limits shows. */
export type Reach = 'all' | readonly Limit[]

/** The actions allowed on a Table, and how far. */
export type Allowed = ReadonlyMap<Action, Reach>

/**
 * The actions that the policies allow on a Table. Policies are additive and grant only in their own namespace.
 * @param now milliseconds since 1970
 */
export function allowedActions(
  identity: Identity,
  policies: Iterable<AccessPolicy>,
  table: TableName,
  now: number,
): Allowed {
  const allowed = new Map<Action, Reach>()
  for (const policy of policies) {
    if (policy.metadata.namespace !== table.namespace || !inForce(policy, now)) continue
    if (!policy.spec.subjects.some(subject => isSubject(identity, subject, policy.metadata.namespace))) continue
    for (const rule of policy.spec.rules) {
      if (!rule.tables.names.includes(table.name)) continue
      for (const action of rule.actions) {
        const reach = reachOf(rule, action)
        const before = allowed.get(action)
        if (reach === undefined || before === 'all') continue
        allowed.set(action, reach === 'all' ? reach : [...(before ?? []), ...reach])
      }
    }
  }
  return allowed
}

/** How far a rule allows an action; what cannot be limited is allowed by no rule with a limit, rather than too far. */
function reachOf({ where, check, columns }: AccessPolicyRule, action: Action): Reach | undefined {
  if (where === undefined && check === undefined && columns === undefined) return 'all'
  if (check !== undefined || !limitableActions.some(one => one === action)) return undefined
  return [{ ...(where === undefined ? {} : { where }), ...(columns === undefined ? {} : { columns }) }]
}

/**
 * Throws unless the action is among those allowed on the Table: TABLE_NOT_FOUND to a caller who may do nothing with it, so that
 * it does not learn that there is one; PERMISSION_DENIED to one who may do something else. Returns how far it is allowed.
 */
export function authorize(identity: Identity, allowed: Allowed, table: TableName, action: Action): Reach {
  const reach = allowed.get(action)
  if (reach !== undefined) return reach
  const name = `${table.namespace}/${table.name}`
  if (allowed.size === 0) throw new BlastyError('TABLE_NOT_FOUND', { table: name })
  throw new BlastyError('PERMISSION_DENIED', { subject: identity.user, action, table: name })
}

/** Accepted as it now stands, and not expired. An end that cannot be read counts as past. */
function inForce({ metadata, spec, status }: AccessPolicy, now: number): boolean {
  const accepted = status.conditions?.find(({ type }) => type === 'Accepted')
  if (accepted?.status !== 'True') return false
  if (accepted.observedGeneration !== metadata.generation) return false
  return spec.expiresAt === undefined || now < Date.parse(spec.expiresAt)
}

function isSubject(identity: Identity, { kind, name }: AccessPolicySubject, policyNamespace: string): boolean {
  switch (kind) {
    case 'User':
      return name === identity.user
    case 'Group':
      return name !== undefined && identity.groups.includes(name)
    case 'ServiceAccount':
      return identity.user === `system:serviceaccount:${policyNamespace}:${name}`
    case 'Claim':
      // Tokens are not read for claims yet, so nobody has one.
      return false
  }
}
