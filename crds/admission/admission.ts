/** Asks a real API server what it says to an object: the support of the admission tests. */
import { setTimeout } from 'node:timers/promises'
import type { CustomResourceDefinition } from '../load.ts'
import { type Access, type Answer, kubeCall, kubeRequest } from './kube-request.ts'

/** One reason for which an object was refused. `field` is a path such as `spec.columns[0].scale`, or empty. */
export type Refusal = { readonly field: string; readonly message: string }

/** A spec to try. With `before` it is an update. */
export type Trial = {
  readonly spec: unknown
  /** Name of the object, where it matters. */
  readonly name?: string
  /** Spec of the object that is updated. */
  readonly before?: unknown
  /** Status that the object has when it is updated. */
  readonly status?: unknown
}

/** `object` is what the server would store, defaults included. */
export type Verdict = { readonly object: unknown; readonly refusals: readonly Refusal[] }

/** Definitions that objects can be tried against. */
export type Admission = {
  /** Makes or updates the object as a dry run, with unknown fields refused as kubectl refuses them. */
  attempt(kind: string, trial: Trial): Promise<Verdict>
  /** Takes the definitions out of the cluster. */
  uninstall(): Promise<void>
}

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const served = { milliseconds: 50, times: 200 }
const maxTries = 10
const dryRun = '?dryRun=All&fieldValidation=Strict'

/** Installs `crds`, waits until they are served, and tries objects in `namespace`, which must exist. */
export async function openAdmission(
  access: Access,
  namespace: string,
  crds: readonly CustomResourceDefinition[],
): Promise<Admission> {
  const byKind = new Map(crds.map(crd => [crd.spec.names.kind, crd]))
  let made = 0
  for (const crd of crds)
    await kubeCall(access, 'PATCH', `${definitions}/${crd.metadata.name}?fieldManager=crds-test&force=true`, crd)
  for (const crd of crds) await untilServed(access, collection(crd, namespace))

  return {
    async attempt(kind, trial) {
      const crd = byKind.get(kind)
      if (crd === undefined) throw new Error(`no definition of ${kind} was installed`)
      const path = collection(crd, namespace)
      const name = trial.name ?? `${namespace}-${++made}`
      const object = { apiVersion: `${crd.spec.group}/v1alpha1`, kind, metadata: { name } }
      if (trial.before === undefined)
        return verdict(await kubeRequest(access, 'POST', path + dryRun, { ...object, spec: trial.spec }))
      let current = await kubeCall(access, 'POST', path, { ...object, spec: trial.before })
      try {
        if (trial.status !== undefined)
          current = await kubeCall(access, 'PUT', `${path}/${name}/status`, {
            ...record(current),
            status: trial.status,
          })
        // An operator that another test runs may touch the object in between.
        for (let tries = 1; ; tries++) {
          const changed = { ...record(current), spec: trial.spec }
          const answer = await kubeRequest(access, 'PUT', `${path}/${name}${dryRun}`, changed)
          if (answer.status !== 409 || tries === maxTries) return verdict(answer)
          current = await kubeCall(access, 'GET', `${path}/${name}`)
        }
      } finally {
        await kubeCall(access, 'DELETE', `${path}/${name}`)
      }
    },
    async uninstall() {
      for (const crd of crds) await kubeCall(access, 'DELETE', `${definitions}/${crd.metadata.name}`)
    },
  }
}

function collection(crd: CustomResourceDefinition, namespace: string): string {
  const scope = crd.spec.scope === 'Namespaced' ? `/namespaces/${namespace}` : ''
  return `/apis/${crd.spec.group}/v1alpha1${scope}/${crd.spec.names.plural}`
}

/** The server answers 404 for a while after a definition was made. */
async function untilServed(access: Access, path: string): Promise<void> {
  for (let tries = 0; tries < served.times; tries++) {
    if ((await kubeRequest(access, 'GET', path)).status === 200) return
    await setTimeout(served.milliseconds)
  }
  throw new Error(`${path} is not served`)
}

/** The server says this beside schema errors, when it leaves the CEL rules out. */
const rulesSkipped = 'some validation rules were not checked'

function verdict(answer: Answer): Verdict {
  const body = record(answer.body)
  if (answer.status >= 200 && answer.status <= 299) return { object: body, refusals: [] }
  const { causes } = record(body.details ?? {})
  const refusals = (Array.isArray(causes) ? causes : [{ message: body.message }])
    .map(cause => ({ field: String(record(cause).field ?? ''), message: String(record(cause).message) }))
    .filter(({ message }) => !message.includes(rulesSkipped))
  if (answer.status !== 422 && answer.status !== 400) throw new Error(`unexpected ${answer.status}: ${body.message}`)
  return { object: undefined, refusals }
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error(`expected an object, not ${value}`)
  return { ...value }
}
