/** One server process: start until ready, stop, kill, restart on the same port and data; its crash is reported. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { inheritedEnvironment } from './config.ts'
import type { Guard } from './guard.ts'
import { signalGroup } from './signal.ts'

const defaultReadySeconds = 60
const defaultStopSeconds = 10
const pollMilliseconds = 25

export type ServerSpec = {
  /** Also the name of its log file. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** How long it may take until it serves (default 60). */
  readonly readySeconds?: number
  /** How long it may take to end after SIGTERM (default 10). */
  readonly stopSeconds?: number
  /** Resolves when the server serves; rejects with what is missing otherwise. Asked again until it resolves. */
  readonly ready: () => Promise<void>
}

/** The unexpected end of a server. */
export type Crash = { readonly server: string; readonly how: string; readonly log: string }

export type ServerHost = {
  readonly guard: Guard
  /** Folder of the log files. */
  readonly logs: string
  readonly onCrash: (crash: Crash) => void
}

/** What a failure test may do to a server. Data and ports stay. */
export type ServerControl = {
  /** Process id, or undefined while it does not run. */
  readonly pid: number | undefined
  /** Starts it and waits until it is ready. */
  start(): Promise<void>
  /** SIGTERM, then SIGKILL if it does not end in time; waits for its end. */
  stop(): Promise<void>
  /** SIGKILL; waits for its end. */
  kill(): Promise<void>
  /** `stop`, then `start`. */
  restart(): Promise<void>
}

type Running = {
  readonly child: ChildProcess
  readonly pid: number
  readonly ended: Promise<string>
  /** True between being ready and being stopped: an end is a crash. */
  serving: boolean
}

export class Server implements ServerControl {
  readonly spec: ServerSpec
  readonly #host: ServerHost
  #running: Running | undefined

  constructor(spec: ServerSpec, host: ServerHost) {
    this.spec = spec
    this.#host = host
  }

  get pid(): number | undefined {
    return this.#running?.pid
  }

  get log(): string {
    return join(this.#host.logs, `${this.spec.name}.log`)
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) throw new Error(`${this.spec.name} runs already`)
    const running = await this.#spawn()
    this.#running = running
    await this.#untilReady(running)
    running.serving = true
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async #spawn(): Promise<Running> {
    const log = openSync(this.log, 'a', 0o600)
    const child = spawn(this.spec.command, this.spec.args, {
      detached: true, // its own group: Ctrl-C in a terminal reaches this process only
      stdio: ['ignore', log, log],
      env: inheritedEnvironment(this.spec.env),
    })
    closeSync(log)
    const { promise: spawned, resolve, reject } = Promise.withResolvers<void>()
    child.once('spawn', resolve)
    child.once('error', error => reject(new Error(`${this.spec.name} cannot be started`, { cause: error })))
    await spawned
    const pid = child.pid
    if (pid === undefined) throw new Error(`${this.spec.name} has no process id`)
    this.#host.guard.started(pid)
    child.unref() // the guard ends it if this process just runs out of work
    const ended = new Promise<string>(done => {
      child.once('exit', (code, signal) => done(signal === null ? `exit code ${code}` : `signal ${signal}`))
    })
    const running: Running = { child, pid, ended, serving: false }
    void ended.then(how => this.#onEnd(running, how))
    return running
  }

  #onEnd(running: Running, how: string): void {
    this.#host.guard.ended(running.pid)
    if (this.#running === running) this.#running = undefined
    if (running.serving) this.#host.onCrash({ server: this.spec.name, how, log: this.log })
  }

  async #untilReady(running: Running): Promise<void> {
    const seconds = this.spec.readySeconds ?? defaultReadySeconds
    const deadline = Date.now() + seconds * 1_000
    let problem: unknown
    while (Date.now() < deadline && this.#running === running) {
      try {
        await this.spec.ready()
        return
      } catch (error) {
        problem = error
      }
      await delay(pollMilliseconds)
    }
    if (this.#running !== running) {
      throw new Error(`${this.spec.name} ended before it was ready: ${await running.ended}\n${await this.#tail()}`)
    }
    await this.#end('SIGKILL')
    throw new Error(`${this.spec.name} was not ready in ${seconds} s\n${await this.#tail()}`, { cause: problem })
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    running.serving = false
    running.child.ref()
    signalGroup(running.pid, signal)
    const seconds = this.spec.stopSeconds ?? defaultStopSeconds
    const timer = setTimeout(() => signalGroup(running.pid, 'SIGKILL'), seconds * 1_000)
    await running.ended
    clearTimeout(timer)
  }

  async #tail(): Promise<string> {
    const lines = (await readFile(this.log, 'utf8')).trimEnd().split('\n')
    return [`the end of ${this.log}:`, ...lines.slice(-8)].join('\n')
  }
}

/** Controls several servers as one: each step is taken on all of them at once. */
export function together(servers: readonly ServerControl[]): ServerControl {
  const all = async (step: (server: ServerControl) => Promise<void>): Promise<void> => {
    await Promise.all(servers.map(step))
  }
  return {
    get pid() {
      return servers[0]?.pid
    },
    start: () => all(server => server.start()),
    stop: () => all(server => server.stop()),
    kill: () => all(server => server.kill()),
    restart: () => all(server => server.restart()),
  }
}
