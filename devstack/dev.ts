/** `npm run dev`: keeps the servers up until Ctrl-C and writes `.blasty/dev.json`, which says how to reach them. */
import { mkdir, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { roles, type StackInfo, withParts } from './info.ts'
import { type Stack, startStack, wholeStack } from './stack.ts'
import { writeStackFile } from './stack-file.ts'

const folder = fileURLToPath(new URL('../.blasty', import.meta.url))
const stackFile = join(folder, 'dev.json')
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const stack = await startStack({ ...wholeStack, folder: join(folder, 'dev') })
  try {
    await writeStackFile(stackFile, stack.info)
    process.stdout.write(summary(stack.info))
    await stopSignal()
    process.stdout.write('stopping\n')
  } finally {
    await end(stack)
  }
}

async function end(stack: Stack): Promise<void> {
  await rm(stackFile, { force: true })
  await stack.stop()
}

/** Resolves at the first signal that asks to stop; a second one ends the process, and its servers with it. */
async function stopSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const signal of stopSignals) process.once(signal, () => resolve())
  const alive = setInterval(() => {}, 60_000) // servers do not keep this process running
  await promise
  clearInterval(alive)
}

function summary(info: StackInfo): string {
  const { nats, objectStore, search, kubernetes } = withParts(info, 'nats', 'objectStore', 'search', 'kubernetes')
  const here = (path: string): string => relative(process.cwd(), path)
  const lines = [
    ['Kubernetes', kubernetes.server, `export KUBECONFIG=${kubernetes.kubeconfig}`],
    ['NATS', nats.servers.join(' '), `users ${roles.join(', ')}`],
    ['MinIO', objectStore.endpoint, `access key ${objectStore.accessKey}`],
    ['Search', search.host, search.kind === 'meilisearch' ? 'Meilisearch' : 'stand-in with the API of Meilisearch'],
  ].map(([name = '', address = '', note = '']) => `  ${name.padEnd(12)}${address.padEnd(28)}${note}`)
  return [
    'The development servers run.',
    ...lines,
    `  ${'Everything'.padEnd(12)}${here(stackFile).padEnd(28)}endpoints, credentials, kubeconfigs of the roles`,
    `  ${'Logs'.padEnd(12)}${here(info.logs)}`,
    `  ${'Data'.padEnd(12)}${here(info.folder).padEnd(28)}kept for the next start; remove the folder to begin anew`,
    'Ctrl-C stops them.',
    '',
  ].join('\n')
}
