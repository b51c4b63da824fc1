/** What a controller is: a declaration. The core supplies the order of steps, retries, conditions, events and metrics. */
import type { Blocked } from './blocked.ts'
import type { Caches, Reader } from './caches.ts'
import type { KubeClient } from './client.ts'
import type { ConditionInput } from './conditions.ts'
import type { EventInput } from './events.ts'
import { type Key, type Kind, type KubeObject, keyOf, type Reconcilable } from './kind.ts'
import type { Logger } from './log.ts'
import type { Environment, Run } from './runner.ts'
import { runKey } from './runner.ts'

/** What the steps of one reconcile may use beside their arguments. */
export interface Context {
  /** The caches of the kinds watched: `read(indexes).by(indexesByTable, key)`. */
  readonly read: Reader
  /** For what is not watched, such as one Secret by name. */
  readonly client: KubeClient
  /** Tells people of something about the object; never throws, may be dropped when there are too many. */
  readonly event: (event: EventInput) => void
  /** Aborts when the operator must stop, or the reconcile takes too long. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** Milliseconds since 1970, at the start of the reconcile. */
  readonly now: number
}

type Awaitable<T> = T | Promise<T>

/** A condition of the product. All must be True for Ready, except those with `gates: false`. */
export type ReportedCondition = ConditionInput & { readonly gates?: boolean }

export interface StatusReport {
  readonly conditions: readonly ReportedCondition[]
  /** The other fields of the status, whole: what is left out is removed. */
  readonly fields?: object
  /** Look again after so many seconds, when that is sooner than the periodic look. */
  readonly afterSeconds?: number
}

/** Actions in the order to do them; none when all is as it should be. Or why nothing can be done. */
export type Plan<Action> = readonly Action[] | Blocked

/** Steps run in the order they stand here. Each may throw StalledError, RetryError or anything `classify` knows. */
export interface ControllerSpec<T extends Reconcilable, Backends, Observed, Action> {
  readonly kind: Kind<T>
  /** Other objects whose changes concern those of this kind. */
  readonly watches?: readonly WatchSource[]
  /** Kinds that are read from the cache and are no reason to reconcile. */
  readonly reads?: readonly Kind[]
  /** The types of the conditions that `status` reports; Unknown until it does. */
  readonly conditions?: readonly string[]
  readonly finalizer?: FinalizerSpec<T, Backends>
  /** Judges the spec by itself and against the cluster. Undefined: accepted. */
  readonly accept?: (object: T, context: Context) => Awaitable<Blocked | undefined>
  /** Finds the outside systems and opens, or borrows, connections to them. */
  readonly connect: (object: T, context: Context) => Awaitable<Backends>
  /** Reads how things are outside; writes nothing. */
  readonly observe: (object: T, backends: Backends, context: Context) => Awaitable<Observed>
  /** Pure. After acting it is asked again about what is observed then; no action left is the proof of success. */
  readonly plan: (object: T, observed: Observed) => Plan<Action>
  /** Does one action, which must be safe to repeat. The finalizer is stored by now. */
  readonly act: (action: Action, object: T, backends: Backends, context: Context) => Awaitable<void>
  /** Whether what the plan is content with really works. Undefined: it does. */
  readonly verify?: (
    object: T,
    observed: Observed,
    backends: Backends,
    context: Context,
  ) => Awaitable<Blocked | undefined>
  /** Pure. What was observed, as conditions and fields. */
  readonly status: (object: T, observed: Observed) => StatusReport
}

export interface FinalizerSpec<T extends Reconcilable, Backends> {
  /** `group/name`, as it stands in metadata.finalizers. */
  readonly name: string
  /** Removes what is outside, a piece at a time if need be. Undefined: confirmed gone. `connect` is called only if needed. */
  readonly cleanUp: (object: T, connect: () => Promise<Backends>, context: Context) => Awaitable<Blocked | undefined>
  /** True when the deletion of a paused object must wait. Default: it need not. */
  readonly holdsWhilePaused?: (object: T) => boolean
}

/** Another kind, and the keys of the objects that a change of one of it concerns. */
export interface WatchSource {
  readonly kind: Kind
  readonly attach: (caches: Caches, enqueue: (key: Key) => void, active: () => boolean) => void
}

export interface MappedOptions<S> {
  /** Which modifications count; by default all. */
  readonly when?: (object: S, old: S) => boolean
}

/** Watches `kind`; each change concerns the objects that `toKeys` names, for the object as it was and as it is. */
export function mapped<S extends KubeObject>(
  kind: Kind<S>,
  toKeys: (object: S, read: Reader) => Iterable<Key>,
  options: MappedOptions<S> = {},
): WatchSource {
  return {
    kind,
    attach: (caches, enqueue, active) => {
      caches.open(kind).subscribe(delta => {
        if (!active()) return // the first lists: every object is queued anyway
        if (delta.type === 'Modified' && options.when?.(delta.object, delta.old) === false) return
        const keys = new Set(toKeys(delta.object, caches.read))
        if (delta.type === 'Modified') for (const key of toKeys(delta.old, caches.read)) keys.add(key)
        for (const key of keys) enqueue(key)
      })
    },
  }
}

/** True when more than the status changed: spec, labels, annotations, or the wish to delete. */
export function specChanged(object: KubeObject, old: KubeObject): boolean {
  const face = ({ metadata: m }: KubeObject) =>
    JSON.stringify([m.uid, m.generation, m.labels, m.annotations, m.deletionTimestamp])
  return face(object) !== face(old)
}

/** A controller without its types, as the operator runs it. */
export interface Controller {
  /** The plural of its kind; a label of its metrics. */
  readonly name: string
  readonly kind: Kind
  readonly kinds: readonly Kind[]
  /** Feeds `enqueue` with the keys to reconcile; `active` is false until the first lists are in. */
  readonly attach: (caches: Caches, enqueue: (key: Key, first: boolean) => void, active: () => boolean) => void
  /** One reconcile. Never rejects. */
  readonly run: (key: Key, environment: Environment) => Promise<Run>
}

/** Declares a controller. The types follow from `kind` and from what the steps return. */
export function defineController<T extends Reconcilable, Backends, Observed, Action>(
  spec: ControllerSpec<T, Backends, Observed, Action>,
): Controller {
  const watches = spec.watches ?? []
  return {
    name: spec.kind.plural,
    kind: spec.kind,
    kinds: [spec.kind, ...watches.map(watch => watch.kind), ...(spec.reads ?? [])],
    attach: (caches, enqueue, active) => {
      for (const kind of spec.reads ?? []) caches.open(kind)
      caches.open(spec.kind).subscribe(delta => {
        if (delta.type === 'Modified' && !specChanged(delta.object, delta.old)) return
        enqueue(keyOf(delta.object), !active())
      })
      for (const watch of watches) watch.attach(caches, key => enqueue(key, false), active)
    },
    run: (key, environment) => runKey(spec, key, environment),
  }
}
