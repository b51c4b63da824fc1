/** What an Index or Subscription needs of its Table. */

import type { BackendClass, Table } from '../crds/types.gen.ts'
import { backendClasses, namespaces, tables } from '../directory/kinds.ts'
import type { TableSchema } from '../engine/schema/schema.ts'
import {
  type Blocked,
  type Context,
  conditionOf,
  keyFor,
  type Reader,
  RetryError,
  StalledError,
  waiting,
} from '../operator/mod.ts'
import type { BackendPool, Backends } from './backends.ts'
import { classOf } from './classes.ts'
import { type Adoption, adoptAnnotation, type Mark } from './marks.ts'
import { type ExternalKind, externalName } from './names.ts'

export type Dependent = {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: { readonly tableRef: { readonly name: string } }
}

/** A Table that is made: it has a log and a schema in force. */
export type MadeTable = {
  readonly table: Table
  readonly schema: TableSchema
  readonly stream: string
  readonly epoch: number
  /** As the Table's status last said. */
  readonly revision: number
}

export function tableOf({ metadata, spec }: Dependent, read: Reader): Table | undefined {
  return read(tables).get(keyFor(spec.tableRef.name, metadata.namespace))
}

/** The Table, or why nothing can be made for it yet. */
export function madeTable(dependent: Dependent, read: Reader): MadeTable | Blocked {
  const name = dependent.spec.tableRef.name
  const table = tableOf(dependent, read)
  if (table === undefined) return waiting('TableNotFound', `there is no Table ${name} in this namespace`)
  if (table.metadata.deletionTimestamp !== undefined) return waiting('TableDeleted', `Table ${name} is being deleted`)
  const { schema, external, progress } = table.status ?? {}
  if (schema === undefined || external === undefined) {
    const reason = conditionOf(table, 'Ready')?.reason ?? 'Pending'
    return waiting('TableNotReady', `Table ${name} is not made yet: ${reason}`)
  }
  return { table, schema, stream: external.stream, epoch: external.epoch, revision: Number(progress?.revision ?? 0) }
}

export type DependentTarget = {
  readonly name: string
  readonly mark: Mark
  readonly adoption: Adoption
}

/**
 * The backends that hold what is made for `dependent`, and its name and mark there. The class is the Table's; once the
 * Table is gone it is the one whose installation the name recorded is of.
 */
export async function connectDependent(
  kind: Exclude<ExternalKind, 'Table'>,
  dependent: Dependent,
  recorded: string | undefined,
  pool: BackendPool,
  { read }: Pick<Context, 'read'>,
): Promise<{ readonly target: DependentTarget; readonly backends: Backends; readonly found: BackendClass }> {
  const { namespace, name, uid, annotations } = dependent.metadata
  const table = tableOf(dependent, read)
  const named = (found: BackendClass) =>
    externalName({ installation: found.spec.installationID, kind, namespace, name })
  const found =
    table === undefined
      ? read(backendClasses)
          .list()
          .find(candidate => recorded !== undefined && named(candidate) === recorded)
      : classOf(table, read)
  if (found === undefined) {
    throw new StalledError('ClassNotFound', `the BackendClass of ${kind} ${name} does not exist; make the class again`)
  }
  const seen = read(namespaces).get(keyFor(namespace))
  if (seen === undefined) throw new RetryError('NamespaceNotSeen', 'the namespace is not in the cache yet')
  const namespaceUids = (found.spec.adoptions ?? [])
    .filter(entry => entry.namespace === namespace)
    .map(entry => entry.namespaceUID)
  const installation = found.spec.installationID
  return {
    target: {
      name: recorded ?? named(found),
      mark: { installation, kind, namespace, name, namespaceUid: seen.metadata.uid, uid },
      adoption: { asked: annotations?.[adoptAnnotation] === 'true', namespaceUids },
    },
    backends: await pool.acquire(found),
    found,
  }
}

/** Whether a Table changed in what its dependents live by: all but its progress and the messages of its conditions. */
export function tableMade(table: Table, old: Table): boolean {
  const face = ({ metadata, status }: Table) =>
    JSON.stringify([
      metadata.uid,
      metadata.deletionTimestamp,
      status?.backendClassName,
      status?.schema,
      status?.external,
      status?.effective,
    ])
  return face(table) !== face(old)
}
