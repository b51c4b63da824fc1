/** Starts NATS and the object store, prints their process ids and folder as JSON, and stays: a parent for tests to crash. */
import { startStack } from '../stack.ts'

const stack = await startStack({ nats: 1, objectStore: true })
const pids = [stack.nats.pid, stack.objectStore.pid]
process.stdout.write(`${JSON.stringify({ pids, folder: stack.info.folder })}\n`)
setInterval(() => {}, 60_000)
