/** Which BackendClass a Table belongs to, and what the class allows it. */

import type { BackendClass, Table } from '../crds/types.gen.ts'
import { backendClasses, namespaces, tables } from '../directory/kinds.ts'
import { type Blocked, type KubeObject, keyFor, type Reader, refused, stalled, waiting } from '../operator/mod.ts'
import { bytesOf } from './quantity.ts'

export const defaultClassAnnotation = 'blasty.dev/is-default-class'

/** Size of a log where neither Table nor class says: 1 GiB. */
const defaultLogBytes = 2 ** 30

/** The name of a Table's class: as recorded, as the spec says, or the default's; undefined when there is no default. */
export function classNameOf(table: Table, read: Reader): string | undefined {
  return table.status?.backendClassName ?? table.spec.backendClassName ?? defaultClass(read)?.metadata.name
}

/** Of several classes marked as default the newest, as with storage classes. */
export function defaultClass(read: Reader): BackendClass | undefined {
  return newestDefault(read(backendClasses).list())
}

/** Of the classes marked as default the newest. */
export function newestDefault(classes: readonly BackendClass[]): BackendClass | undefined {
  return classes
    .filter(({ metadata }) => metadata.annotations?.[defaultClassAnnotation] === 'true')
    .sort((a, b) => byAge(b, a))[0]
}

export function classOf(table: Table, read: Reader): BackendClass | undefined {
  const name = classNameOf(table, read)
  return name === undefined ? undefined : read(backendClasses).get(keyFor(name))
}

/** Older first, then by name. */
function byAge(a: KubeObject, b: KubeObject): number {
  const [x, y] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp} ${metadata.name}`)
  return (x ?? '') < (y ?? '') ? -1 : 1
}

/** Whether the class, as it is now, may hold the Table; undefined: it may. */
export function judgeClass(table: Table, read: Reader): Blocked | undefined {
  const name = classNameOf(table, read)
  if (name === undefined) {
    return waiting(
      'NoDefaultClass',
      `no BackendClass is annotated ${defaultClassAnnotation}: "true"; name one in backendClassName, or annotate one`,
    )
  }
  const found = read(backendClasses).get(keyFor(name))
  if (found === undefined) {
    const message = `BackendClass ${name} does not exist`
    // A Table that has data there cannot go on anywhere else.
    return table.status?.external === undefined ? waiting('ClassNotFound', message) : stalled('ClassNotFound', message)
  }
  return judgeNamespace(table, found, read) ?? judgeLimits(table, found, read) ?? judgeCapabilities(found)
}

function judgeNamespace(table: Table, found: BackendClass, read: Reader): Blocked | undefined {
  const labels = found.spec.allowedNamespaces?.matchLabels ?? {}
  const namespace = read(namespaces).get(keyFor(table.metadata.namespace))
  if (namespace === undefined)
    return waiting('NamespaceNotSeen', 'the namespace is not in the cache yet', { afterSeconds: 1 })
  const missing = Object.entries(labels).filter(([key, value]) => namespace.metadata.labels?.[key] !== value)
  if (missing.length === 0) return undefined
  const list = missing.map(([key, value]) => `${key}=${value}`).join(', ')
  return refused(
    'NamespaceNotAllowed',
    `BackendClass ${found.metadata.name} allows namespaces labelled ${list}; ${table.metadata.namespace} is not`,
  )
}

function judgeLimits(table: Table, found: BackendClass, read: Reader): Blocked | undefined {
  const { tableLogBytes, tablesPerNamespace } = found.spec.limits
  const { maxBytes } = table.spec.log
  if (tableLogBytes !== undefined && maxBytes !== undefined && bytesOf(maxBytes) > bytesOf(tableLogBytes)) {
    return refused(
      'LogTooLarge',
      `log.maxBytes ${maxBytes} is more than BackendClass ${found.metadata.name} allows, ${tableLogBytes}`,
    )
  }
  if (tablesPerNamespace === undefined) return undefined
  const older = read(tables)
    .list(table.metadata.namespace)
    .filter(other => classNameOf(other, read) === found.metadata.name && byAge(other, table) < 0)
    .filter(other => other.metadata.uid !== table.metadata.uid)
  if (older.length < tablesPerNamespace) return undefined
  return refused(
    'TooManyTables',
    `BackendClass ${found.metadata.name} allows ${tablesPerNamespace} Tables in a namespace, there are as many older ones`,
  )
}

function judgeCapabilities(found: BackendClass): Blocked | undefined {
  if (found.status?.capabilities?.atomicBatches !== false) return undefined
  return stalled('BackendUnfit', `NATS of BackendClass ${found.metadata.name} lacks atomic batches`)
}

/** Settings of the log, after the class has decided what the spec leaves open. */
export type LogSettings = { readonly maxBytes: number; readonly retentionSeconds: number; readonly replicas: number }

export function logSettings(table: Table, found: BackendClass): LogSettings {
  const limit = found.spec.limits.tableLogBytes
  const { maxBytes, retentionSeconds, replicas } = table.spec.log
  const unset = Math.min(defaultLogBytes, limit === undefined ? defaultLogBytes : bytesOf(limit))
  return {
    maxBytes: maxBytes === undefined ? unset : bytesOf(maxBytes),
    retentionSeconds,
    replicas: replicas ?? found.spec.streams.replicas,
  }
}
