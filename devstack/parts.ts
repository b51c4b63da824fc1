/** The parts of a stack: each is prepared, then all are started at once. */
import { join } from 'node:path'
import type { Programs } from './binaries.ts'
import type { DevConfig } from './config.ts'
import type { KubernetesInfo, NatsInfo, ObjectStoreInfo, SearchInfo } from './info.ts'
import { installBlasty } from './kubernetes/install.ts'
import { keptPorts } from './ports.ts'
import type { ProgramName } from './programs.ts'
import type { Report } from './progress.ts'
import { Server, type ServerHost, type ServerSpec } from './server.ts'
import { kubernetesPortCount, prepareKubernetes, writeAdminKubeconfig } from './servers/kubernetes.ts'
import { natsPortCount, prepareNats } from './servers/nats.ts'
import { objectStorePortCount, prepareObjectStore } from './servers/object-store.ts'
import { prepareSearch, searchPortCount } from './servers/search.ts'
import type { Setting } from './servers/setting.ts'
import { OnDemandTrino } from './trino-on-demand.ts'

/** What is started with a stack. */
export type Wanted = {
  readonly kubernetes?: boolean
  readonly nats?: 1 | 3
  readonly objectStore?: boolean
  readonly search?: boolean
  readonly trino?: boolean
  readonly install?: boolean
}

type Running<Info> = { readonly info: Info; readonly servers: readonly Server[] }

export type StackParts = {
  readonly nats: Running<NatsInfo> | undefined
  readonly objectStore: Running<ObjectStoreInfo> | undefined
  readonly search: Running<SearchInfo> | undefined
  /** Started or not; there when the stack has an object store. */
  readonly trino: OnDemandTrino | undefined
  readonly kubernetes:
    | {
        readonly info: KubernetesInfo
        readonly etcd: Server
        readonly apiserver: Server
        readonly controllerManager: Server
      }
    | undefined
}

/** The servers started so far, in order. */
export class Launch {
  readonly #host: ServerHost
  readonly #servers: Server[] = []
  #closed = false

  constructor(host: ServerHost) {
    this.#host = host
  }

  async start(spec: ServerSpec): Promise<Server> {
    if (this.#closed) throw new Error(`${spec.name} is not started: the stack stops`)
    const server = new Server(spec, this.#host)
    this.#servers.push(server)
    await server.start()
    return server
  }

  /** Stops all, and starts none any more: at once and hard when their data are to be thrown away, else the last started first. */
  async stop(hard: boolean): Promise<void> {
    this.#closed = true
    const servers = this.#servers.splice(0).reverse()
    if (hard) await Promise.all(servers.map(server => server.kill()))
    else for (const server of servers) await server.stop()
  }
}

type Ground = {
  readonly config: DevConfig
  readonly folder: string
  readonly programs: Programs
  readonly launch: Launch
  readonly report: Report
  /** Aborted when the stack stops. */
  readonly signal: AbortSignal
}

/** Starts the parts wanted. Throws when one fails, after all have come to an end: nothing starts later. */
export async function startParts(wanted: Wanted, ground: Ground): Promise<StackParts> {
  const { config, folder, launch } = ground
  const ports = await keptPorts(join(folder, 'ports.json'), {
    ...(wanted.nats && { nats: natsPortCount(wanted.nats) }),
    ...(wanted.objectStore && { objectStore: objectStorePortCount }),
    ...(wanted.search && { search: searchPortCount }),
    ...(wanted.kubernetes && { kubernetes: kubernetesPortCount }),
  })
  const setting = (name: string): Setting => ({
    folder,
    ports: ports[name] ?? [],
    program: program => pathOf(ground.programs, program),
  })
  const nats = wanted.nats && (await prepareNats(setting('nats'), wanted.nats))
  const objectStore = wanted.objectStore ? await prepareObjectStore(setting('objectStore')) : undefined
  const search = wanted.search ? await prepareSearch(setting('search'), config) : undefined
  const plane = wanted.kubernetes ? await prepareKubernetes(setting('kubernetes')) : undefined

  const startAll = (specs: readonly ServerSpec[]): Promise<Server[]> =>
    Promise.all(specs.map(spec => launch.start(spec)))

  const trino = objectStore && new OnDemandTrino({ ...ground, objectStore: objectStore.info })

  const backends = { nats: nats?.info, objectStore: objectStore?.info, search: search?.info }
  const startKubernetes = async (): Promise<StackParts['kubernetes']> => {
    if (plane === undefined) return undefined
    const etcd = await launch.start(plane.etcd)
    const apiserver = await launch.start(plane.apiserver)
    await writeAdminKubeconfig(plane)
    const info: KubernetesInfo = {
      ...(await plane.access()),
      kubeconfig: plane.kubeconfig,
      kubectl: pathOf(ground.programs, 'kubectl'),
      helm: pathOf(ground.programs, 'helm'),
    }
    const install = async (): Promise<Pick<KubernetesInfo, 'kubeconfigs'>> =>
      wanted.install === false ? {} : { kubeconfigs: await installBlasty(folder, info, backends) }
    const [controllerManager, installed] = await settled([launch.start(plane.controllerManager), install()])
    return { info: { ...info, ...installed }, etcd, apiserver, controllerManager }
  }

  const [natsServers, objectStoreServers, searchServers, kubernetes] = await settled([
    startAll(nats?.specs ?? []),
    startAll(objectStore ? [objectStore.spec] : []),
    startAll(search?.spec ? [search.spec] : []),
    startKubernetes(),
    wanted.trino ? startTrino(trino) : undefined,
  ])
  return {
    nats: nats && { info: nats.info, servers: natsServers },
    objectStore: objectStore && { info: objectStore.info, servers: objectStoreServers },
    search: search && { info: search.info, servers: searchServers },
    trino,
    kubernetes,
  }
}

/** Starts it with the stack. It asks nothing of the object store until it is asked something itself. */
async function startTrino(trino: OnDemandTrino | undefined): Promise<void> {
  if (trino === undefined) throw new Error('Trino reads the object store: start the stack with both')
  await trino.start()
}

/** Like `Promise.all`, but waits for all to end before it throws. */
async function settled<T extends readonly unknown[] | []>(work: T) {
  await Promise.allSettled(work)
  return await Promise.all(work)
}

function pathOf(programs: Programs, name: ProgramName): string {
  const path = programs.get(name)
  if (path === undefined) throw new Error(`${name} was not resolved`)
  return path
}
