/** What callers may do, worked out once and remembered until a policy changes or ends: it is asked with every call and every event. */

import type { AccessPolicy } from '../../crds/types.gen.ts'
import type { Identity } from './identity.ts'
import { type Allowed, allowedActions, type TableName } from './policy.ts'

/** The policies there are, and word of every change. */
export type PolicySource = {
  readonly list: (namespace?: string) => readonly AccessPolicy[]
  readonly subscribe: (onChange: () => void) => unknown
}

/** Tables remembered of one caller; names come from requests, so there is no end of them. */
const maxTables = 1_000

export class Grants {
  readonly #policies: PolicySource
  readonly #now: () => number
  #known = new WeakMap<Identity, Map<string, Allowed>>()
  /** When the next policy ends, in milliseconds since 1970. */
  #until = Number.NEGATIVE_INFINITY

  constructor(policies: PolicySource, now: () => number = Date.now) {
    this.#policies = policies
    this.#now = now
    policies.subscribe(() => this.#forget())
  }

  /** The actions that a caller may do on a Table at this moment. */
  allowed(identity: Identity, table: TableName): Allowed {
    const now = this.#now()
    if (now >= this.#until) {
      this.#forget()
      this.#until = nextEnd(this.#policies.list(), now)
    }
    const name = `${table.namespace}/${table.name}`
    const tables = this.#known.get(identity) ?? new Map<string, Allowed>()
    const known = tables.get(name)
    if (known !== undefined) return known
    const allowed = allowedActions(identity, this.#policies.list(table.namespace), table, now)
    if (tables.size >= maxTables) tables.clear()
    tables.set(name, allowed)
    this.#known.set(identity, tables)
    return allowed
  }

  #forget(): void {
    this.#known = new WeakMap()
    this.#until = Number.NEGATIVE_INFINITY
  }
}

/** The first end to come; one that cannot be read is past already, as it is for `allowedActions`. */
function nextEnd(policies: readonly AccessPolicy[], now: number): number {
  return policies
    .map(({ spec }) => (spec.expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(spec.expiresAt)))
    .filter(end => end > now)
    .reduce((first, end) => Math.min(first, end), Number.POSITIVE_INFINITY)
}
