/**
 * What the cluster says of Tables and of what hangs on them, for the processes that only read Kubernetes: workers and
 * facades. It keeps a runtime for each Table that the operator has provisioned, on the backends of its class.
 */

import type { Table as TableResource } from '../crds/types.gen.ts'
import type { Report } from '../engine/membership/reports.ts'
import type { SqlDatabases } from '../engine/sql/databases.ts'
import { Table, type TableDescriptor } from '../engine/table.ts'
import type { Cache } from '../operator/cache.ts'
import { Caches, type Reader } from '../operator/caches.ts'
import {
  type Key,
  type Kind,
  type KubeClient,
  type KubeObject,
  keyFor,
  keyOf,
  type Logger,
  systemClock,
} from '../operator/mod.ts'
import { Reflector } from '../operator/reflector.ts'
import { type ClassBackends, connectClass, type Role } from './backends.ts'
import { backendClasses, hasConditionalPut, indexes, subscriptions, tables } from './kinds.ts'

export type DirectoryOptions = {
  readonly client: KubeClient
  readonly role: Role
  /** Unique among live processes. */
  readonly id: string
  /** Only classes with this controllerName are served. */
  readonly controllerName: string
  readonly credentialsNamespace: string
  /** Cache folder of this process alone. */
  readonly dataDirectory: string
  /** The largest Table, by the bytes of its lake, that a facade takes in for SQL under `query.engine: Auto`. */
  readonly embeddedBytes?: number
  /** Facades have SQL; workers do not. */
  readonly sql?: SqlDatabases
  /** Kinds watched beside Tables, classes, Indexes and Subscriptions. */
  readonly alsoWatch?: readonly Kind[]
  readonly log: Logger
}

/** A Table that is provisioned, with the backends of its class. */
export type ServedTable = { readonly resource: TableResource; readonly table: Table; readonly backends: ClassBackends }

type Entry = { readonly descriptor: TableDescriptor; readonly className: string; readonly served: ServedTable }

const maxRetryMillis = 10_000

export class Directory {
  readonly read: Reader
  readonly #options: DirectoryOptions
  readonly #caches: Caches
  readonly #stop = new AbortController()
  readonly #reflectors: Promise<void>[] = []
  readonly #tables = new Map<Key, Entry>()
  readonly #byUid = new Map<string, Entry>()
  readonly #classes = new Map<string, { readonly version: string; readonly opening: Promise<ClassBackends> }>()
  /** Work on one Table is done one after another. */
  readonly #work = new Map<Key, Promise<void>>()
  /** Tables whose last look failed, with the one look to come. */
  readonly #retries = new Map<Key, { readonly attempt: number; readonly timer: NodeJS.Timeout }>()
  readonly #listeners = new Set<(key: Key, served: ServedTable | undefined) => void>()

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#caches = new Caches((kind, error) =>
      options.log.error({ err: error, kind: kind.kind }, 'a handler of changes failed'),
    )
    this.read = this.#caches.read
  }

  /** Watches; resolves when everything there is has been listed and every Table has been looked at once. */
  async start(): Promise<void> {
    const { alsoWatch = [] } = this.#options
    for (const kind of [backendClasses, tables, indexes, subscriptions, ...alsoWatch]) {
      this.#reflect(kind)
    }
    this.#caches.open(tables).subscribe(({ object }) => this.#enqueue(keyOf(object)))
    this.#caches.open(backendClasses).subscribe(() => {
      for (const table of this.read(tables).list()) this.#enqueue(keyOf(table))
    })
    await this.#caches.whenSynced()
    await Promise.all(this.#work.values())
  }

  /** The Table of that name, when it is provisioned and its backends have been reached. */
  table(namespace: string, name: string): ServedTable | undefined {
    return this.#tables.get(keyFor(name, namespace))?.served
  }

  tableByUid(uid: string): ServedTable | undefined {
    return this.#byUid.get(uid)?.served
  }

  /** All that are served. */
  served(): ServedTable[] {
    return [...this.#tables.values()].map(({ served }) => served)
  }

  /** Backends in use, one set a class. */
  async backends(): Promise<ClassBackends[]> {
    const settled = await Promise.allSettled([...this.#classes.values()].map(({ opening }) => opening))
    return settled.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  }

  /** Told when a Table begins to be served, changes its schema, or ceases. */
  onTable(listener: (key: Key, served: ServedTable | undefined) => void): void {
    this.#listeners.add(listener)
  }

  /** The cache of a kind, to follow its changes. */
  cache<T extends KubeObject>(kind: Kind<T>): Cache<T> {
    return this.#caches.open(kind)
  }

  /** What keeps it from being ready, a line each. */
  unready(): string[] {
    return this.#caches.all().flatMap(cache => (cache.synced ? [] : [`${cache.kind.plural} have not been listed`]))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    for (const { timer } of this.#retries.values()) clearTimeout(timer)
    await Promise.all(this.#reflectors)
    await Promise.all(this.#work.values())
    await Promise.all([...this.#tables.values()].map(({ served }) => served.table.close()))
    const backends = await this.backends()
    this.#classes.clear()
    await Promise.all(backends.map(one => one.close()))
  }

  #reflect(kind: Kind): void {
    const cache = this.#caches.open(kind)
    const reflector = new Reflector({
      client: this.#options.client,
      cache,
      clock: systemClock,
      random: Math.random,
      onError: (error, next) => this.#options.log.warn({ err: error, kind: kind.kind, next }, 'watching failed'),
    })
    this.#reflectors.push(reflector.run(this.#stop.signal))
  }

  #enqueue(key: Key): void {
    const before = this.#work.get(key) ?? Promise.resolve()
    const work = before.then(() => this.#look(key))
    this.#work.set(key, work)
    work.then(() => {
      if (this.#work.get(key) === work) this.#work.delete(key)
    })
  }

  /** Makes what is served agree with the resource; what fails is tried again later, the resource being looked at anew. */
  async #look(key: Key): Promise<void> {
    if (this.#stop.signal.aborted) return
    const attempt = this.#retries.get(key)?.attempt ?? 0
    clearTimeout(this.#retries.get(key)?.timer)
    try {
      await this.#serve(key)
      this.#retries.delete(key)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#options.log.warn({ err: error, table: key }, 'a Table cannot be served yet')
      const timer = setTimeout(() => this.#enqueue(key), Math.min(maxRetryMillis, 250 * 2 ** attempt))
      this.#retries.set(key, { attempt: attempt + 1, timer })
    }
  }

  async #serve(key: Key): Promise<void> {
    const resource = this.read(tables).get(key)
    const className = resource?.status?.backendClassName
    const found = className === undefined ? undefined : this.read(backendClasses).get(keyFor(className))
    const descriptor = resource && descriptorOf(resource)
    const entry = this.#tables.get(key)
    if (
      resource === undefined ||
      descriptor === undefined ||
      found === undefined ||
      className === undefined ||
      found.spec.controllerName !== this.#options.controllerName
    ) {
      if (entry !== undefined) await this.#drop(key, entry)
      return
    }
    const backends = await this.#connect(className)
    if (entry !== undefined && sameThing(entry.descriptor, descriptor) && entry.served.backends === backends) {
      entry.served.table.schemas.adopt(descriptor.schema)
      noteWritten(resource, entry.served.table)
      const served = { ...entry.served, resource }
      // Not by what the Table knows: its replica may have met the new schema in the log before the status told of it.
      if (descriptor.schema.number !== entry.descriptor.schema.number) this.#tell(key, served)
      // Kept only when all have been told: a listener that throws is told again.
      this.#keep(key, { ...entry, descriptor, served })
      return
    }
    if (entry !== undefined) await this.#drop(key, entry)
    const { dataDirectory, sql, log } = this.#options
    const table = new Table(descriptor, {
      streams: backends.streams,
      objects: backends.objects,
      dataDirectory,
      ...(sql === undefined ? {} : { sql: () => sql.of(descriptor.namespace) }),
      onError: error => log.error({ err: error, table: key }, 'the replica of a Table stopped'),
    })
    noteWritten(resource, table)
    const served = { resource, table, backends }
    this.#tell(key, served)
    this.#keep(key, { descriptor, className, served })
  }

  #keep(key: Key, entry: Entry): void {
    this.#tables.set(key, entry)
    this.#byUid.set(entry.descriptor.uid, entry)
  }

  async #drop(key: Key, entry: Entry): Promise<void> {
    this.#tables.delete(key)
    this.#byUid.delete(entry.descriptor.uid)
    this.#tell(key, undefined)
    await entry.served.table.close()
  }

  #tell(key: Key, served: ServedTable | undefined): void {
    for (const listener of this.#listeners) listener(key, served)
  }

  /** What the lake holds, replicas need not keep. */
  #note(report: Report): void {
    if (report.kind !== 'lake') return
    const table = this.#byUid.get(report.tableUid)?.served.table
    if (table?.descriptor.epoch === report.epoch) table.noteArchived(report.revision)
  }

  /** The backends of a class; connected anew when what the connection depends on has changed. */
  #connect(className: string): Promise<ClassBackends> {
    const found = this.read(backendClasses).get(keyFor(className))
    if (found === undefined) throw new Error(`BackendClass ${className} is gone`)
    const version = JSON.stringify([found.metadata.uid, found.spec, hasConditionalPut(found)])
    const held = this.#classes.get(className)
    if (held?.version === version) return held.opening
    const { client, role, id, embeddedBytes, credentialsNamespace } = this.#options
    const own = embeddedBytes === undefined ? {} : { embeddedBytes }
    const opening = connectClass({ found, client, role, id, ...own, credentialsNamespace })
    const entry = { version, opening }
    this.#classes.set(className, entry)
    opening.then(
      ({ reports }) => reports.onChange(report => this.#note(report)),
      () => {},
    )
    opening.catch(() => {
      if (this.#classes.get(className) === entry) this.#classes.delete(className)
    })
    // Tables on the old connections are moved over, each in its turn; then nothing uses those.
    held?.opening.then(old => Promise.allSettled(this.#work.values()).then(() => old.close())).catch(() => {})
    return opening
  }
}

/** What the status says of a Table that can be served; undefined until it is provisioned, and when it has lost its log. */
function descriptorOf({ metadata, status }: TableResource): TableDescriptor | undefined {
  const { schema, external } = status ?? {}
  const { namespace, name, uid } = metadata
  if (
    schema === undefined ||
    external?.bucket === undefined ||
    external.stream === undefined ||
    external.epoch === undefined
  )
    return undefined
  const log = status?.conditions?.find(({ type }) => type === 'LogReady')
  if (log?.status !== 'True') return undefined
  const { bucket, stream, epoch } = external
  return { namespace, name, uid, schema: schema as TableDescriptor['schema'], bucket, stream, epoch }
}

/** Whether the operator shows a revision that no announcement of a schema has: rows were written before. */
export function isShownWritten({ status }: TableResource): boolean {
  return Number(status?.progress?.revision ?? 0) > (status?.schema?.number ?? 0)
}

function noteWritten(resource: TableResource, table: Table): void {
  if (isShownWritten(resource)) table.knownWritten()
}

function sameThing(a: TableDescriptor, b: TableDescriptor): boolean {
  return a.uid === b.uid && a.stream === b.stream && a.bucket === b.bucket && a.epoch === b.epoch
}
