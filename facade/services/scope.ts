/** What every service shares: who may reach which Table, how a wait ends, and the filters in use. */

import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { Index, Subscription } from '../../crds/types.gen.ts'
import type { Directory, ServedTable } from '../../directory/directory.ts'
import { accessPolicies, indexes, type limitableActions, subscriptions, tables } from '../../directory/kinds.ts'
import type { RowTest } from '../../engine/feed/event.ts'
import { type Predicate, parsePredicate, toTest } from '../../engine/predicate/predicate.ts'
import { isTrue, keyFor } from '../../operator/mod.ts'
import { Grants } from '../auth/grants.ts'
import type { Identity } from '../auth/identity.ts'
import { type Action, type Allowed, authorize, type Limit, type TableName } from '../auth/policy.ts'
import type { CallContext } from '../grpc/context.ts'
import { limitedView, type Readable, type RowLimit, wholeTable } from './row-view.ts'

/** A reference as requests carry it; unset fields are empty. */
export type Ref = TableName | undefined

/** How long a call without a deadline may wait for what it needs, in milliseconds. */
const defaultPatienceMillis = 30_000
/** What is kept of the client's deadline so that the answer still reaches it. */
const answerMillis = 20
const maxWhereLength = 8192
const cachedFilters = 1000

/** Actions that policies may limit to rows and columns, and those that are allowed on the whole of a Table or not at all. */
type ReadAction = (typeof limitableActions)[number]
export type WholeAction = Exclude<Action, ReadAction>

export class Scope {
  readonly directory: Directory
  readonly #grants: Grants
  readonly #filters = new Map<string, { readonly predicate: Predicate | undefined; readonly test: RowTest }>()

  constructor(directory: Directory) {
    this.directory = directory
    this.#grants = new Grants(directory.cache(accessPolicies))
  }

  /** The actions a caller may do on a Table. */
  allowed(identity: Identity, table: TableName): Allowed {
    return this.#grants.allowed(identity, table)
  }

  /**
   * The Table, if the caller may do all the actions.
   * @throws INVALID_ARGUMENT, TABLE_NOT_FOUND, PERMISSION_DENIED, TABLE_NOT_READY, LOG_LOST; LAKE_LOST for who would write
   */
  table(identity: Identity, ref: Ref, field: string, ...actions: [WholeAction, ...WholeAction[]]): ServedTable {
    const table = named(ref, field)
    const allowed = this.allowed(identity, table)
    for (const action of actions) authorize(identity, allowed, table, action)
    const served = this.#served(table)
    if (actions.some(action => writing.has(action))) refuseLost(served)
    return served
  }

  /**
   * The Table, if the caller may read some of it, with what of it may be read.
   * @throws as `table`; PERMISSION_DENIED when no limit of the policies fits the Table's columns
   */
  async readable(identity: Identity, ref: Ref, field: string, action: ReadAction): Promise<Readable> {
    const table = named(ref, field)
    const reach = authorize(identity, this.allowed(identity, table), table, action)
    const served = this.#served(table)
    if (reach === 'all') return { served, table: served.table, view: wholeTable }
    const limits = await Promise.all(reach.map(limit => this.#limit(served, limit)))
    const fitting = limits.filter(limit => limit !== undefined)
    if (fitting.length > 0)
      return { served, table: served.table, view: limitedView(served.table.schemas.current, fitting) }
    const { namespace, name } = table
    throw new BlastyError('PERMISSION_DENIED', { subject: identity.user, action, table: `${namespace}/${name}` })
  }

  /** A limit for the columns there are; undefined when its condition does not fit them: such a rule allows nothing. */
  async #limit(served: ServedTable, { where = '', columns }: Limit): Promise<RowLimit | undefined> {
    try {
      return { ...(await this.filter(served, where)), columns }
    } catch (error) {
      if (isBlastyError(error, 'INVALID_PREDICATE', 'INVALID_ARGUMENT')) return undefined
      throw error
    }
  }

  /** Names of the Tables of a namespace that the caller may do `action` on. */
  visible(identity: Identity, namespace: string, action: Action): Set<string> {
    const names = this.directory
      .read(tables)
      .list(namespace)
      .map(({ metadata }) => metadata.name)
    return new Set(names.filter(name => this.allowed(identity, { namespace, name }).has(action)))
  }

  /** An Index that is ready, with its Table. An Index of a Table that may not be searched does not exist for the caller. */
  index(identity: Identity, ref: Ref): { readonly index: Index; readonly served: ServedTable } {
    const { namespace, name } = named(ref, 'index')
    const index = this.directory.read(indexes).get(keyFor(name, namespace))
    const title = `${namespace}/${name}`
    const table = index && { namespace, name: index.spec.tableRef.name }
    const allowed = table && this.allowed(identity, table)
    if (index === undefined || table === undefined || allowed === undefined || allowed.size === 0) {
      throw new BlastyError('INDEX_NOT_FOUND', { index: title })
    }
    authorize(identity, allowed, table, 'Search')
    if (index.status?.external?.index === undefined) {
      throw new BlastyError('INDEX_NOT_READY', { index: title, reason: whyNot(index.status?.conditions) })
    }
    const served = this.#served(table)
    if (index.status.tableUID !== served.table.descriptor.uid) {
      throw new BlastyError('INDEX_NOT_READY', { index: title, reason: 'its table was made anew' })
    }
    return { index, served }
  }

  /** A Subscription that is provisioned, with its Table. */
  subscription(identity: Identity, ref: Ref): { readonly subscription: Subscription; readonly served: ServedTable } {
    const { namespace, name } = named(ref, 'subscription')
    const subscription = this.directory.read(subscriptions).get(keyFor(name, namespace))
    const title = `${namespace}/${name}`
    const table = subscription && { namespace, name: subscription.spec.tableRef.name }
    const allowed = table && this.allowed(identity, table)
    if (subscription === undefined || table === undefined || allowed === undefined || allowed.size === 0) {
      throw new BlastyError('SUBSCRIPTION_NOT_FOUND', { subscription: title })
    }
    authorize(identity, allowed, table, 'Subscribe')
    if (subscription.status?.external?.stream === undefined) {
      throw new BlastyError('TABLE_NOT_READY', {
        table: `subscription ${title}`,
        reason: whyNot(subscription.status?.conditions),
      })
    }
    const served = this.#served(table)
    if (subscription.status.tableUID !== served.table.descriptor.uid) {
      throw new BlastyError('TABLE_NOT_READY', { table: `subscription ${title}`, reason: 'its table was made anew' })
    }
    return { subscription, served }
  }

  /** The compiled filter of a `where`, shared by all who use the same text. An empty text is no filter. */
  async filter(
    served: ServedTable,
    where: string,
  ): Promise<{ readonly predicate: Predicate | undefined; readonly test: RowTest }> {
    if (where === '') return { predicate: undefined, test: () => true }
    if (where.length > maxWhereLength) {
      throw new BlastyError('INVALID_ARGUMENT', {
        field: 'where',
        problem: `is longer than ${maxWhereLength} characters`,
      })
    }
    const schema = served.table.schemas.current
    const key = `${served.table.descriptor.uid} ${schema.number} ${where}`
    const known = this.#filters.get(key)
    if (known !== undefined) return known
    const predicate = await parsePredicate(where, schema)
    const filter = { predicate, test: toTest(predicate) }
    if (this.#filters.size >= cachedFilters) {
      const oldest = this.#filters.keys().next()
      if (!oldest.done) this.#filters.delete(oldest.value)
    }
    this.#filters.set(key, filter)
    return filter
  }

  #served(table: TableName): ServedTable {
    const served = this.directory.table(table.namespace, table.name)
    if (served !== undefined) return served
    const title = `${table.namespace}/${table.name}`
    const resource = this.directory.read(tables).get(keyFor(table.name, table.namespace))
    if (resource === undefined) throw new BlastyError('TABLE_NOT_FOUND', { table: title })
    const conditions = resource.status?.conditions ?? []
    const log = conditions.find(({ type }) => type === 'LogReady')
    if (log?.reason === 'LogLost') throw new BlastyError('LOG_LOST', { table: title, problem: log.message })
    throw new BlastyError('TABLE_NOT_READY', { table: title, reason: whyNot(conditions) })
  }
}

const writing: ReadonlySet<Action> = new Set(['Put', 'Delete', 'Erase', 'WriteBlob'])

/** What is written could not be archived any more, and the log alone holds it for a while only. */
function refuseLost({ resource, table }: ServedTable): void {
  const lake = resource.status?.conditions?.find(({ type }) => type === 'LakeReady')
  if (lake?.reason === 'LakeLost') throw new BlastyError('LAKE_LOST', { table: table.log.table, problem: lake.message })
}

/** True when the operator says that a resource is ready. */
export const isReady = (resource: { status?: { conditions?: readonly { type: string; status: string }[] } }): boolean =>
  isTrue(resource as never, 'Ready')

function whyNot(conditions: readonly { type: string; status: string; message: string }[] = []): string {
  const problem =
    conditions.find(({ type, status }) => type === 'Stalled' && status === 'True') ??
    conditions.find(({ type, status }) => type === 'Accepted' && status !== 'True') ??
    conditions.find(({ status, type }) => status !== 'True' && type !== 'Ready')
  return problem?.message || 'it is being set up'
}

function named(ref: Ref, field: string): TableName {
  if (ref === undefined || ref.namespace === '' || ref.name === '') {
    throw new BlastyError('INVALID_ARGUMENT', { field, problem: 'namespace and name are required' })
  }
  return ref
}

/**
 * Runs `work` with a signal that aborts shortly before the caller's deadline, or after half a minute without one.
 * @throws WAIT_TIMEOUT when time is what ended it
 */
export async function patiently<T>(
  { signal, deadline }: Pick<CallContext, 'signal' | 'deadline'>,
  what: string,
  revision: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const left = Math.min(defaultPatienceMillis, Math.max(0, deadline - Date.now() - answerMillis))
  using limit = timeLimit(left, signal)
  try {
    return await work(limit.signal)
  } catch (error) {
    if (limit.passed && error === limit.signal.reason)
      throw new BlastyError('WAIT_TIMEOUT', { what, revision }, { cause: error })
    throw error
  }
}

export type TimeLimit = Disposable & {
  readonly signal: AbortSignal
  /** True when time is what aborted the signal. */
  readonly passed: boolean
}

/**
 * A signal that aborts after some milliseconds or with one of the others, until it is disposed of. `AbortSignal.timeout` keeps
 * its timer until it fires, and what `AbortSignal.any` makes of a signal that lives long is collected late: thousands of
 * calls a second would leave both behind.
 */
export function timeLimit(millis: number, ...others: readonly AbortSignal[]): TimeLimit {
  const controller = new AbortController()
  let passed = false
  const timer = setTimeout(() => {
    passed = !controller.signal.aborted
    controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
  }, Math.ceil(millis))
  const abort = () => controller.abort(others.find(({ aborted }) => aborted)?.reason)
  for (const other of others) {
    if (other.aborted) abort()
    else other.addEventListener('abort', abort, { once: true })
  }
  return {
    signal: controller.signal,
    get passed() {
      return passed
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      for (const other of others) other.removeEventListener('abort', abort)
    },
  }
}
