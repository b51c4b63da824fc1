/** Load from a process of its own: a program that offers functions, and the bench that calls them over the channel between them. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a load program offers. Arguments and results cross by structured clone. */
export type LoadFunctions = Readonly<Record<string, (input: never) => Promise<unknown>>>

export type Load<F extends LoadFunctions> = {
  /** Calls a function of the program. Rejects with its failure, or when the process has ended. */
  readonly call: <N extends keyof F & string>(name: N, input: Parameters<F[N]>[0]) => Promise<Awaited<ReturnType<F[N]>>>
  readonly stop: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

type Call = { readonly id: number; readonly name: string; readonly input: unknown }
type Answer = { readonly id: number; readonly result?: unknown; readonly problem?: string }

/** Serves the functions to the process that started this one, and ends with it. */
export function serveLoad(functions: LoadFunctions): void {
  const answer = (message: Answer) => process.send?.(message)
  process.on('message', ({ id, name, input }: Call) => {
    const work = functions[name]
    if (work === undefined) {
      answer({ id, problem: `there is no function ${name}` })
      return
    }
    work(input as never).then(
      result => answer({ id, result }),
      error => answer({ id, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
  })
  process.once('disconnect', () => process.exit())
}

/** Starts a load program. It ends with this process, however that ends. */
export async function startLoad<F extends LoadFunctions>(program: URL): Promise<Load<F>> {
  const child = fork(fileURLToPath(program), { serialization: 'advanced' })
  const waiting = new Map<number, (answer: Answer) => void>()
  let calls = 0
  const ended = once(child, 'exit').then(([code, signal]) => {
    for (const [id, settle] of waiting)
      settle({ id, problem: `the load process ended: ${signal ?? `exit code ${code}`}` })
  })
  child.on('message', (message: Answer) => waiting.get(message.id)?.(message))
  await once(child, 'spawn')
  const stop = async () => {
    if (child.connected) child.disconnect()
    await ended
  }
  return {
    call: (name, input) =>
      new Promise((resolve, reject) => {
        const id = calls++
        waiting.set(id, ({ result, problem }) => {
          waiting.delete(id)
          // The program's function of that name returned it.
          if (problem === undefined) resolve(result as never)
          else reject(new Error(`load process: ${problem}`))
        })
        child.send({ id, name, input }, error => {
          if (error) waiting.get(id)?.({ id, problem: error.message })
        })
      }),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
