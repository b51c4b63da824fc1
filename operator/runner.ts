/** One reconcile of one object, in the one order that holds for every kind. */
import { isDeepStrictEqual } from 'node:util'
import { type Blocked, blockedBy, type Classify } from './blocked.ts'
import type { Caches } from './caches.ts'
import type { KubeClient } from './client.ts'
import type { Clock } from './clock.ts'
import { conditionOf } from './conditions.ts'
import type { Context, ControllerSpec, Plan } from './controller.ts'
import type { EventRecorder } from './events.ts'
import { hasFinalizer, isAbandoned, removeFinalizer, storeFinalizer } from './finalizer.ts'
import { type Key, keyOf, type Reconcilable } from './kind.ts'
import { isConflict, isNotFound } from './kube-error.ts'
import type { Logger } from './log.ts'
import { replaceStatus } from './replace-status.ts'
import { composeStatus, gate, type Outcome, type Step } from './status.ts'

/** What a run needs from the operator around it. */
export interface Environment {
  readonly client: KubeClient
  readonly caches: Caches
  readonly events: Pick<EventRecorder, 'record'>
  readonly clock: Clock
  readonly log: Logger
  /** Aborts when the run takes too long, and when the operator cannot wait for it any more. */
  readonly signal: AbortSignal
  /** Aborts in the second case only: then nothing that fails means anything. */
  readonly stopping: AbortSignal
  /** Owns the status fields, and signs events. */
  readonly fieldManager: string
  readonly annotations: {
    /** `true` holds an object as it is. */
    readonly paused: string
    /** The uid of the object lets it go without cleaning up. */
    readonly abandon: string
  }
  readonly classify?: Classify
}

/** What the worker does next with the key. */
export type Run =
  /** Nothing to do until it changes. */
  | { readonly result: 'gone' | 'deleted' | 'paused' | 'interrupted' }
  /** Look again after the periodic interval, or sooner. */
  | { readonly result: 'ready' | 'refused' | 'stalled'; readonly afterSeconds?: number }
  /** Retry with backoff, or after so many seconds. */
  | { readonly result: 'waiting' | 'failed'; readonly afterSeconds?: number; readonly error?: unknown }
  /** The object changed meanwhile: run again. */
  | { readonly result: 'changed' }

/** More rounds of observing, planning and acting than this in one run are left to the next. */
const maxRounds = 5

type Ended = Outcome | { readonly type: 'Gone' } | { readonly type: 'Deleted' } | { readonly type: 'Changed' }

/** fetch → deleting? → paused? → accepted? → connect → observe → plan → act → verify → status. Never rejects. */
export async function runKey<T extends Reconcilable, B, O, A>(
  spec: ControllerSpec<T, B, O, A>,
  key: Key,
  env: Environment,
): Promise<Run> {
  const object = env.caches.open(spec.kind).get(key)
  if (object === undefined) return { result: 'gone' }
  const run = new Reconcile(spec, object, env)
  const ended = await run.steps()
  if (ended.type === 'Gone') return { result: 'gone' }
  if (ended.type === 'Deleted') return { result: 'deleted' }
  if (ended.type === 'Changed') return { result: 'changed' }
  if (env.stopping.aborted) return { result: 'interrupted' }
  try {
    await run.tell(ended)
  } catch (error) {
    if (isNotFound(error)) return { result: 'gone' }
    if (isConflict(error)) return { result: 'changed' } // deleted, and made anew under the same name
    return { result: 'failed', error }
  }
  return runAfter(ended, run.error)
}

function runAfter(ended: Outcome, error: unknown): Run {
  if (ended.type === 'Paused') return { result: 'paused' }
  const seconds = ended.type === 'Ready' ? ended.report.afterSeconds : ended.by.afterSeconds
  const after = seconds === undefined ? {} : { afterSeconds: seconds }
  if (ended.type === 'Ready') return { result: 'ready', ...after }
  const results = { Refused: 'refused', Stalled: 'stalled', Waiting: 'waiting', Failed: 'failed' } as const
  const result = results[ended.by.blocked]
  return result === 'failed' ? { result, ...after, error: error ?? ended.by.message } : { result, ...after }
}

class Reconcile<T extends Reconcilable, B, O, A> {
  readonly #spec: ControllerSpec<T, B, O, A>
  readonly #env: Environment
  readonly #context: Context
  #object: T
  #step: Step = 'accept'
  #observed: { readonly value: O } | undefined
  /** What was thrown, if anything was. */
  error: unknown

  constructor(spec: ControllerSpec<T, B, O, A>, object: T, env: Environment) {
    this.#spec = spec
    this.#env = env
    this.#object = object
    this.#context = {
      read: env.caches.read,
      client: env.client,
      event: event => env.events.record(object, event),
      signal: env.signal,
      log: env.log,
      now: env.clock.now(),
    }
  }

  async steps(): Promise<Ended> {
    try {
      if (this.#object.metadata.deletionTimestamp !== undefined) return await this.#delete()
      if (this.#paused) return { type: 'Paused' }
      const unaccepted = await this.#spec.accept?.(this.#object, this.#context)
      if (unaccepted !== undefined) return this.#blocked(unaccepted)
      return await this.#converge()
    } catch (error) {
      this.error = error
      return this.#blocked(blockedBy(error, this.#env.classify))
    }
  }

  async #delete(): Promise<Ended> {
    this.#step = 'delete'
    const { client, annotations, fieldManager } = this.#env
    const finalizer = this.#spec.finalizer
    const object = this.#object
    if (finalizer === undefined || !hasFinalizer(object, finalizer.name)) return { type: 'Gone' }
    if (isAbandoned(object, annotations.abandon)) {
      const note = 'the finalizer is removed without cleaning up, as the annotation asks'
      this.#context.event({ type: 'Warning', reason: 'Abandoned', action: 'Delete', note })
    } else {
      if (this.#paused && finalizer.holdsWhilePaused?.(object) === true) return { type: 'Paused' }
      const connect = async () => this.#spec.connect(object, this.#context)
      const blocked = await finalizer.cleanUp(object, connect, this.#context)
      if (blocked !== undefined) return this.#blocked(blocked)
    }
    await removeFinalizer(client, this.#spec.kind, object, finalizer.name, fieldManager)
    return { type: 'Deleted' }
  }

  async #converge(): Promise<Ended> {
    const spec = this.#spec
    this.#step = 'connect'
    const backends = await spec.connect(this.#object, this.#context)
    let plan = await this.#look(backends)
    if (isBlocked(plan)) return this.#blocked(plan)
    const stored = await this.#storeFinalizer()
    if (stored !== undefined) return stored
    for (let round = 1; plan.length > 0; round++) {
      this.#step = 'act'
      for (const action of plan) {
        this.#env.signal.throwIfAborted()
        await spec.act(action, this.#object, backends, this.#context)
      }
      const next = await this.#look(backends)
      this.#step = 'verify'
      if (isBlocked(next)) return this.#blocked(next)
      if (isDeepStrictEqual(next, plan)) return this.#blocked(notConverging)
      if (next.length > 0 && round === maxRounds) return this.#blocked(moreToDo)
      plan = next
    }
    this.#step = 'verify'
    const observed = this.#observed
    if (observed === undefined) throw new Error('nothing was observed')
    const unverified = await spec.verify?.(this.#object, observed.value, backends, this.#context)
    if (unverified !== undefined) return this.#blocked(unverified)
    const report = spec.status(this.#object, observed.value)
    const gated = gate(report)
    return gated === undefined ? { type: 'Ready', report } : { type: 'Blocked', at: 'verify', by: gated, report }
  }

  async #look(backends: B): Promise<Plan<A>> {
    this.#step = 'observe'
    this.#observed = { value: await this.#spec.observe(this.#object, backends, this.#context) }
    this.#step = 'plan'
    return this.#spec.plan(this.#object, this.#observed.value)
  }

  /** Undefined when it is stored and the object is still the one the plan was made for. */
  async #storeFinalizer(): Promise<Ended | undefined> {
    const { finalizer, kind } = this.#spec
    if (finalizer === undefined) return undefined
    const planned = this.#object
    const { client, caches, fieldManager } = this.#env
    const stored = await storeFinalizer(client, kind, planned, finalizer.name, fieldManager)
    if (stored === undefined) return { type: 'Gone' } // its deletion is an event to come
    if (stored === planned) return undefined
    this.#object = stored
    caches.open(kind).written(stored)
    return stored.metadata.generation === planned.metadata.generation ? undefined : { type: 'Changed' }
  }

  /** Writes the status if it says anything new, and an event if that is worth one. */
  async tell(outcome: Outcome): Promise<void> {
    const { client, caches, clock, fieldManager } = this.#env
    const kind = this.#spec.kind
    const cache = caches.open(kind)
    const status = composeStatus(this.#object, outcome, this.#spec.conditions ?? [], clock.now())
    // What we wrote last may be newer than what this run began with; only the comparison profits from it.
    const held = cache.get(keyOf(this.#object))
    const live = held?.metadata.uid === this.#object.metadata.uid ? held : this.#object
    const told = await replaceStatus(client, kind, live, status, fieldManager)
    if (told === live) return
    cache.written(told)
    const ready = conditionOf(told, 'Ready')
    const before = conditionOf(live, 'Ready')
    if (ready === undefined || outcome.type === 'Paused') return
    if (ready.status === before?.status && ready.reason === before.reason) return
    if (before?.status !== 'True' && isOnTheWay(outcome)) return
    const type = outcome.type === 'Blocked' && outcome.by.blocked !== 'Waiting' ? 'Warning' : 'Normal'
    this.#context.event({ type, reason: ready.reason, action: 'Reconcile', note: ready.message })
  }

  get #paused(): boolean {
    return this.#object.metadata.annotations?.[this.#env.annotations.paused] === 'true'
  }

  #blocked(by: Blocked): Outcome {
    const report = this.#report()
    return { type: 'Blocked', at: this.#step, by, ...(report === undefined ? {} : { report }) }
  }

  /** What was observed, when that can be told; a step that fails must not hide it. */
  #report() {
    if (this.#observed === undefined) return undefined
    try {
      return this.#spec.status(this.#object, this.#observed.value)
    } catch (error) {
      this.error ??= error
      return undefined
    }
  }
}

const notConverging: Blocked = {
  blocked: 'Failed',
  reason: 'NotConverging',
  message: 'what was done is not seen; the same actions are still to be done',
}

const moreToDo: Blocked = {
  blocked: 'Waiting',
  reason: 'InProgress',
  message: 'more is to be done',
  afterSeconds: 1,
}

/** All is made and only to be seen to work: the conditions tell, and what follows in a moment is the news. */
function isOnTheWay(outcome: Outcome): boolean {
  return outcome.type === 'Blocked' && outcome.at === 'verify' && outcome.by.blocked === 'Waiting'
}

function isBlocked<A>(plan: Plan<A>): plan is Blocked {
  return 'blocked' in plan
}
