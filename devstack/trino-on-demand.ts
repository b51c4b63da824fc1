/** Trino over a stack's object store, started when it is first asked for: it takes a quarter of a minute and a gigabyte. */
import { join } from 'node:path'
import type { DevConfig } from './config.ts'
import type { ObjectStoreInfo, TrinoInfo } from './info.ts'
import { resolveTrino } from './lake/trino.ts'
import { keptPorts } from './ports.ts'
import type { Report } from './progress.ts'
import type { Server, ServerSpec } from './server.ts'
import { prepareTrino, trinoPortCount } from './servers/trino.ts'

export type RunningTrino = { readonly info: TrinoInfo; readonly server: Server }

type Ground = {
  readonly config: DevConfig
  readonly folder: string
  readonly objectStore: ObjectStoreInfo
  readonly launch: { start(spec: ServerSpec): Promise<Server> }
  readonly report: Report
  readonly signal: AbortSignal
}

export class OnDemandTrino {
  readonly #ground: Ground
  #starting: Promise<RunningTrino> | undefined
  /** Set once it serves. */
  running: RunningTrino | undefined

  constructor(ground: Ground) {
    this.#ground = ground
  }

  /** Gets and starts it, once; after a failure the next call tries again. */
  async start(): Promise<TrinoInfo> {
    this.#starting ??= this.#start()
    try {
      this.running = await this.#starting
    } catch (error) {
      this.#starting = undefined
      throw error
    }
    return this.running.info
  }

  /** Resolves when no start is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#starting])
  }

  async #start(): Promise<RunningTrino> {
    const { config, folder, objectStore, launch, report, signal } = this.#ground
    const program = await resolveTrino(config, report, signal)
    // Not before: a port that is kept for long without being used may be taken.
    const { trino: [port] = [] } = await keptPorts(join(folder, 'ports.json'), { trino: trinoPortCount })
    if (port === undefined) throw new Error('Trino was given no port')
    const { spec, info } = await prepareTrino({ folder, port, program, objectStore })
    return { info, server: await launch.start(spec) }
  }
}
