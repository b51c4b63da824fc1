/** The roles of Blasty as processes beside a stack, each under the service account that the chart gives it. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeFlagsOf } from '../cli/node-flags.ts'
import { startGuard } from './guard.ts'
import { type Role, roles, type StackInfo, withParts } from './info.ts'
import { freePorts, loopback } from './ports.ts'
import { type Crash, Server, type ServerControl } from './server.ts'
import { answersOk } from './servers/http-ready.ts'

export type RolesOptions = {
  /** A whole stack that is up. */
  readonly stack: StackInfo
  /** Which to start, several of one if named twice; all three unless set. */
  readonly roles?: readonly Role[]
  /** Folder for caches and logs; a temporary one, removed in the end, unless set. */
  readonly folder?: string
  /** Kept for the facade's gRPC; a free one unless set. */
  readonly grpcPort?: number
  /** Flags of Blasty for every role, by their names, such as `sql-table-size`. */
  readonly flags?: Readonly<Record<string, string>>
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error'
  /** Flags of Node itself for every role, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[]
  readonly onCrash?: (crash: Crash) => void
}

export type RunningRole = ServerControl & {
  readonly role: Role
  /** Path of its log. */
  readonly log: string
  /** Address of /metrics, /healthz and /readyz. */
  readonly health: string
}

export type Roles = {
  readonly all: readonly RunningRole[]
  /** The first one of a role. */
  readonly of: (role: Role) => RunningRole
  /** `host:port` of the first facade's gRPC. */
  readonly grpc: string
  readonly stop: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

const program = fileURLToPath(new URL('../cli/blasty.ts', import.meta.url))

/** Starts roles and waits until each is ready. They end with this process, however it ends. */
export async function startRoles(options: RolesOptions): Promise<Roles> {
  const { kubernetes } = withParts(options.stack, 'kubernetes')
  const wanted = options.roles ?? roles
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'blasty-roles-')))
  await mkdir(folder, { recursive: true })
  const ports = await freePorts(wanted.length * 2)
  const guard = startGuard(folder, options.folder === undefined ? folder : undefined, () =>
    process.stderr.write('the watchdog ended: roles may outlive a crash of this process\n'),
  )
  const onCrash =
    options.onCrash ?? (({ server, how, log }) => process.stderr.write(`${server} ended: ${how}; see ${log}\n`))
  const started: (RunningRole & { readonly grpc: string })[] = []
  const stop = async () => {
    await Promise.all(started.map(one => one.stop()))
    await guard.dismiss()
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
  }
  try {
    for (const [index, role] of wanted.entries()) {
      const kubeconfig = kubernetes.kubeconfigs?.[role]
      if (kubeconfig === undefined) throw new Error('the stack was started without Blasty installed')
      const health = `http://${loopback}:${ports[index * 2]}`
      const isFirstFacade = role === 'facade' && !started.some(one => one.role === 'facade')
      const grpc = `${loopback}:${isFirstFacade && options.grpcPort !== undefined ? options.grpcPort : ports[index * 2 + 1]}`
      const name = `${role}-${index}`
      const flags = {
        kubeconfig,
        'health-address': health.slice('http://'.length),
        'grpc-address': grpc,
        'data-dir': join(folder, name),
        'log-level': options.logLevel ?? 'info',
        ...options.flags,
      }
      const args = [
        ...nodeFlagsOf(role),
        ...(options.nodeFlags ?? []),
        program,
        role,
        ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]),
      ]
      const ready = () => answersOk(`${health}/readyz`)
      const server = new Server(
        { name, command: process.execPath, args, ready, stopSeconds: 30 },
        { guard, logs: folder, onCrash },
      )
      started.push(Object.assign(server, { role, health, grpc }))
    }
    await Promise.all(started.map(one => one.start()))
  } catch (error) {
    await stop()
    throw error
  }
  const of = (role: Role) => {
    const found = started.find(one => one.role === role)
    if (found === undefined) throw new Error(`no ${role} was started`)
    return found
  }
  return {
    all: started,
    of,
    grpc: started.find(one => one.role === 'facade')?.grpc ?? '',
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
