/**
 * Holds an object store and starts Trino on demand, a parent for tests to crash: prints its folder and where to ask as JSON,
 * then on each demand answered the process ids.
 */
import { serveOnDemand } from '../on-demand.ts'
import { startStack } from '../stack.ts'

const stack = await startStack({ objectStore: true, report: () => {} })
const print = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`)
const onDemand = await serveOnDemand({
  startTrino: async () => {
    const info = await stack.startTrino()
    print([stack.objectStore.pid, stack.trino.pid])
    return info
  },
})
print({ folder: stack.info.folder, onDemand: onDemand.info })
setInterval(() => {}, 60_000)
