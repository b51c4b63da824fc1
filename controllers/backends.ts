/** The connections to the backends: one set a BackendClass, shared by all reconciles, renewed when class or Secret change. */

import type { ObjectStore } from '../backends/object-store/store.ts'
import type { Search } from '../backends/search/search.ts'
import type { Streams } from '../backends/streams/connect.ts'
import type { BackendClass } from '../crds/types.gen.ts'
import { hasConditionalPut } from '../directory/kinds.ts'
import type { Report } from '../engine/membership/reports.ts'
import type { Clock, KubeClient } from '../operator/mod.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import type { Reported } from './reported.ts'
import type { ClassTrino } from './trino.ts'

/** What needs no connection to be had: requests are made one by one. */
export type Stores = {
  readonly objects: ObjectStore
  readonly search: Search
  /** Undefined where the class has none. */
  readonly trino?: ClassTrino | undefined
}

export type Backends = Stores & {
  readonly installation: string
  readonly streams: Streams
  readonly reported: Reported
}

/** A set with its end. */
export type Connected = Backends & {
  /** True once the connection has ended for good, as when its credentials are no longer taken. */
  readonly ended: () => boolean
  readonly close: () => Promise<void>
}

export type Connect = (
  found: BackendClass,
  credentials: Credentials,
  onReport: OnReport,
) => Connected | Promise<Connected>
export type OnReport = (report: Report, present: boolean) => void

export type BackendPoolOptions = {
  /** Where the Secrets are. */
  readonly credentialsNamespace: string
  readonly client: Pick<KubeClient, 'get'>
  readonly connect: Connect
  /** Told by the set in use alone. One that lingers hears the same, sooner or later: who looked for its word would look too soon. */
  readonly onReport: OnReport
  /** Told when a set has taken the place of another: what was said meanwhile, neither tells. */
  readonly onReplaced: () => void
  /** Told when an old set does not close well. */
  readonly onError: (error: unknown) => void
  readonly clock: Pick<Clock, 'after'>
}

type Entry = { readonly version: string; readonly opening: Promise<Connected> }

/** Reconciles under way may still use a set that was replaced; none takes longer, in milliseconds. */
const lingerMillis = 120_000

export class BackendPool {
  readonly #options: BackendPoolOptions
  readonly #entries = new Map<string, Entry>()
  readonly #lingering = new Map<Promise<Connected>, () => void>()
  /** Classes that had a set before. */
  readonly #known = new Set<string>()

  constructor(options: BackendPoolOptions) {
    this.#options = options
  }

  /** The set of a class; connects if nobody has. A set that could not be opened is tried again by the next caller. */
  async acquire(found: BackendClass): Promise<Backends> {
    const held = this.#entries.get(found.metadata.name)
    if (held?.version.startsWith(fingerprint(found))) {
      const opened = await held.opening
      if (!opened.ended()) return opened
    }
    return this.refresh(found)
  }

  /** What the operator logs in with. Throws a RetryError that says what is missing. */
  credentials(found: BackendClass): Promise<Credentials> {
    return readCredentials(found, this.#options.credentialsNamespace, this.#options.client)
  }

  /** The set for these credentials, or for those the Secret holds now; one for others is replaced. */
  async refresh(found: BackendClass, given?: Credentials): Promise<Backends> {
    const { connect, onReport, onReplaced } = this.#options
    const credentials = given ?? (await this.credentials(found))
    const name = found.metadata.name
    const version = `${fingerprint(found)}${credentials.version}`
    const held = this.#entries.get(name)
    if (held?.version === version) {
      const opened = await held.opening
      if (!opened.ended()) return opened
      if (this.#entries.get(name) !== held) return this.refresh(found, credentials)
    }
    const inUse = () => this.#entries.get(name)?.opening === opening
    const opening: Promise<Connected> = Promise.resolve(
      connect(found, credentials, (report, present) => inUse() && onReport(report, present)),
    )
    this.#entries.set(name, { version, opening })
    opening.then(
      () => {
        if (!inUse()) return
        if (this.#known.has(name)) onReplaced()
        this.#known.add(name)
      },
      () => inUse() && this.#entries.delete(name),
    )
    if (held !== undefined) this.#retire(held.opening)
    return opening
  }

  /** Lets go of the set of a class that is gone. */
  forget(name: string): void {
    const held = this.#entries.get(name)
    if (held === undefined) return
    this.#entries.delete(name)
    this.#known.delete(name)
    this.#retire(held.opening)
  }

  /** Closes every set, those that linger too. */
  async close(): Promise<void> {
    const lingering = [...this.#lingering]
    for (const [, cancel] of lingering) cancel()
    const all = [...[...this.#entries.values()].map(({ opening }) => opening), ...lingering.map(([opening]) => opening)]
    this.#entries.clear()
    this.#lingering.clear()
    await Promise.all(all.map(opening => this.#end(opening)))
  }

  #retire(opening: Promise<Connected>): void {
    const cancel = this.#options.clock.after(lingerMillis, () => {
      this.#lingering.delete(opening)
      void this.#end(opening)
    })
    this.#lingering.set(opening, cancel)
  }

  async #end(opening: Promise<Connected>): Promise<void> {
    const opened = await opening.catch(() => undefined) // whoever waited for it was told
    await opened?.close().catch(this.#options.onError)
  }
}

/** Changes with what a connection depends on in the class. */
function fingerprint(found: BackendClass): string {
  const { installationID, objectStore, streams, search, trino, credentials } = found.spec
  return JSON.stringify([
    found.metadata.uid,
    installationID,
    objectStore,
    streams.servers,
    search.hosts,
    trino,
    credentials.operator.secretRef.name,
    hasConditionalPut(found),
  ])
}
