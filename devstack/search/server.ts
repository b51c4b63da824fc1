/** The command: a development search server with Meilisearch's HTTP API on SQLite. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createContext } from './context.ts'
import { Executor } from './execute.ts'
import { createApi } from './http.ts'
import { Indexes } from './indexes.ts'
import { Keys } from './keys.ts'
import { documentRoutes } from './routes-documents.ts'
import { indexRoutes } from './routes-indexes.ts'
import { keyRoutes } from './routes-keys.ts'
import { searchRoutes } from './routes-search.ts'
import { taskRoutes } from './routes-tasks.ts'
import { Store } from './store.ts'
import { TaskQueue } from './tasks.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '7700' },
    host: { type: 'string', default: '127.0.0.1' },
    db: { type: 'string' },
    'master-key': { type: 'string' },
  },
})
const { port, host, db } = values
const masterKey = values['master-key']
if (db === undefined || masterKey === undefined || !/^\d{1,5}$/.test(port)) {
  process.stderr.write('usage: server.ts --port PORT --db FILE --master-key KEY [--host HOST]\n')
  process.exit(2)
}

const now = (): string => new Date().toISOString()
const report = (thrown: unknown): void => {
  process.stderr.write(`${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`)
}

const store = new Store(db)
const keys = new Keys(store, masterKey, now, randomUUID)
const indexes = new Indexes(store)
const queue = new TaskQueue(store, now)
const executor = new Executor(store, queue, indexes, now, report)
const context = createContext({ store, queue, indexes, keys, clock: () => performance.now(), newUid: randomUUID })
const routes = [
  ...keyRoutes(context),
  ...indexRoutes(context),
  ...documentRoutes(context),
  ...searchRoutes(context),
  ...taskRoutes(context),
]
const server = createApi(routes, keys, report)
server.keepAliveTimeout = 65_000
executor.start()
server.listen(Number(port), host)
await once(server, 'listening')
const address = server.address()
process.stdout.write(`listening on http://${host}:${typeof address === 'object' && address ? address.port : port}\n`)

let stopping = false
async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  await executor.stop()
  server.closeAllConnections()
  await closed
  store.close()
}
const stopOrFail = (): void => {
  stop().catch((thrown: unknown) => {
    report(thrown)
    process.exitCode = 1
  })
}
process.on('SIGTERM', stopOrFail)
process.on('SIGINT', stopOrFail)
