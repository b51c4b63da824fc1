/** One reconcile of one widget against a server in memory, with every step noted. */
import { Caches } from '../caches.ts'
import type { ControllerSpec } from '../controller.ts'
import type { EventInput } from '../events.ts'
import { keyFor } from '../kind.ts'
import { silentLogger } from '../log.ts'
import { type Environment, type Run, runKey } from '../runner.ts'
import { fakeServer } from './fake-client.ts'
import { FakeClock } from './fake-clock.ts'
import { type Widget, widgets } from './widgets.ts'

type Action = { readonly set: number }
export type Spec = ControllerSpec<Widget, string, number, Action>

const key = keyFor('w', 'n')
export const finalizer = 'test.example.com/outside'

/**
 * Runs one widget whose every step is noted, among the calls to the API server. `meanwhile` is metadata that the server
 * has and the cache has not heard of.
 */
export async function runWidget(
  parts: Partial<Spec> = {},
  metadata: object = {},
  settings: Partial<Environment> = {},
  meanwhile: object = {},
  status?: Widget['status'],
) {
  const server = fakeServer()
  const events: EventInput[] = []
  const outside = { size: 0 }
  const step =
    <A extends unknown[], R>(name: string, fn: (...args: A) => R) =>
    (...args: A): R => {
      server.calls.push(name)
      return fn(...args)
    }
  const base: Spec = {
    kind: widgets,
    conditions: ['Sized'],
    finalizer: { name: finalizer, cleanUp: () => undefined },
    accept: () => undefined,
    connect: () => 'backends',
    observe: () => outside.size,
    plan: (object, size) => (size === object.spec.size ? [] : [{ set: object.spec.size ?? 0 }]),
    act: ({ set }) => {
      outside.size = set
    },
    verify: () => undefined,
    status: (_, size) => ({ conditions: [], fields: { size } }),
  }
  const all = { ...base, ...parts }
  const { cleanUp, holdsWhilePaused } = all.finalizer ?? { cleanUp: () => undefined }
  const noted: Spec = {
    ...all,
    finalizer: {
      name: finalizer,
      cleanUp: step('cleanUp', cleanUp),
      ...(holdsWhilePaused === undefined ? {} : { holdsWhilePaused }),
    },
    accept: step('accept', all.accept ?? (() => undefined)),
    connect: step('connect', all.connect),
    observe: step('observe', all.observe),
    plan: step('plan', all.plan),
    act: step('act', all.act),
    verify: step('verify', all.verify ?? (() => undefined)),
    status: step('status', all.status),
  }
  const object = {
    apiVersion: widgets.apiVersion,
    kind: 'Widget',
    metadata: { name: 'w', namespace: 'n', uid: 'u', resourceVersion: '1', generation: 1, ...metadata },
    spec: { size: 3 },
    ...(status === undefined ? {} : { status }),
  }
  server.objects.set(key, { ...object, metadata: { ...object.metadata, ...meanwhile } })
  const caches = new Caches((_, error) => {
    throw error
  })
  caches.open(widgets).replace([widgets.decode(object)], '1')
  const ran: Run = await runKey(noted, key, {
    client: server.client,
    caches,
    events: { record: (_, event) => events.push(event) },
    clock: new FakeClock(),
    log: silentLogger,
    signal: new AbortController().signal,
    stopping: new AbortController().signal,
    fieldManager: 'me',
    annotations: { paused: 'paused', abandon: 'abandon' },
    ...settings,
  })
  const steps = server.calls.map(call => call.replace(` ${key}`, ''))
  return { ran, steps, stored: caches.open(widgets).get(key), events }
}
