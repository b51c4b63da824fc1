/** Starts the real servers on this machine: loopback only, free ports, generated credentials, one folder for all. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { resolvePrograms } from './binaries.ts'
import { type DevConfig, devConfig } from './config.ts'
import { startGuard } from './guard.ts'
import type { KubernetesInfo, NatsInfo, ObjectStoreInfo, Part, SearchInfo, StackInfo, TrinoInfo } from './info.ts'
import { type Lock, tryLock } from './lock.ts'
import { Launch, type StackParts, startParts } from './parts.ts'
import type { ProgramName } from './programs.ts'
import { type Report, reportToStderr } from './progress.ts'
import { type Crash, type ServerControl, together } from './server.ts'

export type StackOptions = {
  readonly kubernetes?: boolean
  /** How many NATS servers; three make a cluster. */
  readonly nats?: 1 | 3
  readonly objectStore?: boolean
  readonly search?: boolean
  /** Starts Trino at once; a stack with an object store can do so later as well (`startTrino`). */
  readonly trino?: boolean
  /** Installs Blasty's API, RBAC, Secrets and the default BackendClass in Kubernetes (default true). */
  readonly install?: boolean
  /** Folder that keeps data, ports and credentials for the next start. Default: a temporary one, removed by `stop`. */
  readonly folder?: string
  /** Told of a server that ends by itself (default: written to standard error). */
  readonly onCrash?: (crash: Crash) => void
  readonly report?: Report
  readonly config?: DevConfig
}

/** Everything, as `npm run dev` and a test run start it. */
export const wholeStack = { kubernetes: true, nats: 1, objectStore: true, search: true } as const satisfies StackOptions

export type Stack = AsyncDisposable & {
  readonly info: StackInfo
  /** Each part throws when the stack was started without it. Controls keep ports and data. */
  readonly nats: NatsInfo & ServerControl & { readonly each: readonly ServerControl[] }
  readonly objectStore: ObjectStoreInfo & ServerControl
  readonly search: SearchInfo & ServerControl
  readonly kubernetes: KubernetesInfo & ControlPlaneControls
  readonly trino: TrinoInfo & ServerControl
  /**
   * Starts Trino over the stack's object store, once however often it is called, and resolves when it serves. The first
   * time ever it is downloaded. Throws with what is missing.
   */
  startTrino(): Promise<TrinoInfo>
  /** Stops every server; removes a temporary folder. */
  stop(): Promise<void>
}

type ControlPlaneControls = {
  readonly etcd: ServerControl
  readonly apiserver: ServerControl
  readonly controllerManager: ServerControl
}

/**
 * Starts the servers asked for, all at once, and resolves when they serve. They end with this process, however it ends.
 * Throws with the end of a server's log when one does not start; then none is left running.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const config = options.config ?? devConfig()
  const report = options.report ?? reportToStderr
  const programs = await resolvePrograms(programsFor(options), config, report)
  const temporary = options.folder === undefined
  const folder = options.folder === undefined ? await mkdtemp(join(tmpdir(), 'blasty-')) : resolve(options.folder)
  const held = temporary ? undefined : await lockFolder(folder)
  const logs = join(folder, 'logs')
  await mkdir(logs, { recursive: true, mode: 0o700 })
  const guard = startGuard(logs, temporary ? folder : undefined, () =>
    report('the watchdog ended: servers may outlive a crash of this process'),
  )
  const onCrash =
    options.onCrash ?? (crash => report(`${crash.server} ended by itself: ${crash.how}; see ${crash.log}`))
  const launch = new Launch({ guard, logs, onCrash })
  const stopping = new AbortController()
  let started: StackParts | undefined
  const stopAll = async (): Promise<void> => {
    stopping.abort(new Error('the stack stops'))
    await launch.stop(temporary)
    await started?.trino?.settled()
    await launch.stop(temporary) // what was between being spawned and being known
    await guard.dismiss()
    held?.[Symbol.dispose]()
    if (temporary) await rm(folder, { recursive: true, force: true })
  }
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= stopAll()
    return stopped
  }
  try {
    started = await startParts(options, { config, folder, programs, launch, report, signal: stopping.signal })
    return describeStack({ folder, logs }, started, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function lockFolder(folder: string): Promise<Lock> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const held = await tryLock(join(folder, 'lock'))
  if (held === undefined) throw new Error(`another stack runs in ${folder}: stop it first, or give another folder`)
  return held
}

function programsFor(options: StackOptions): ProgramName[] {
  const names: ProgramName[] = []
  if (options.kubernetes) names.push('etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl', 'helm')
  if (options.nats !== undefined) names.push('nats-server')
  if (options.objectStore) names.push('minio')
  return names
}

/** A part that serves only when it was asked for. */
function describeStack(
  base: Pick<StackInfo, 'folder' | 'logs'>,
  stackParts: StackParts,
  stop: () => Promise<void>,
): Stack {
  const { nats, objectStore, search, kubernetes, trino } = stackParts
  const info: StackInfo = {
    ...base,
    ...(nats && { nats: nats.info }),
    ...(objectStore && { objectStore: objectStore.info }),
    ...(search && { search: search.info }),
    ...(kubernetes && { kubernetes: kubernetes.info }),
    ...(trino?.running && { trino: trino.running.info }),
  }
  const part = <P>(found: P | undefined, name: Part): P => {
    if (found === undefined) throw new Error(`this stack was started without ${name}`)
    return found
  }
  return {
    info,
    get nats() {
      const { info, servers } = part(nats, 'nats')
      return Object.assign(together(servers), info, { each: servers })
    },
    get objectStore() {
      const { info, servers } = part(objectStore, 'objectStore')
      return Object.assign(together(servers), info)
    },
    get search() {
      const { info, servers } = part(search, 'search')
      return Object.assign(together(servers), info)
    },
    get kubernetes() {
      const { info, etcd, apiserver, controllerManager } = part(kubernetes, 'kubernetes')
      return { ...info, etcd, apiserver, controllerManager }
    },
    get trino() {
      const { info, server } = part(trino?.running, 'trino')
      return Object.assign(together([server]), info)
    },
    startTrino: async () => await part(trino, 'objectStore').start(),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
