/** Free TCP ports on the loopback address. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'

export const loopback = '127.0.0.1'

// Below the range from which systems pick ports for outgoing connections (Linux 32768, macOS 49152): a server
// that is down for a moment finds its port still free.
const lowest = 20_000
const highest = 32_000

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer()
  try {
    server.listen(port, loopback)
    await once(server, 'listening')
    return server
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return undefined
    throw error
  }
}

/** True when nothing listens on the port. */
export async function isFree(port: number): Promise<boolean> {
  const server = await listen(port)
  server?.close()
  return server !== undefined
}

/** Picks `count` different free ports. */
export async function freePorts(count: number, random: () => number = Math.random): Promise<number[]> {
  const held = new Map<number, Server>()
  for (let attempt = 0; held.size < count; attempt++) {
    if (attempt > 1_000) throw new Error(`found only ${held.size} of ${count} free ports on ${loopback}`)
    const port = lowest + Math.floor(random() * (highest - lowest))
    const server = held.has(port) ? undefined : await listen(port)
    if (server !== undefined) held.set(port, server)
  }
  await Promise.all([...held.values()].map(server => new Promise(done => server.close(done))))
  return [...held.keys()]
}

/** Ports by name as they were at the last start in this folder, where they are still free; new ones otherwise. */
export async function keptPorts(
  file: string,
  counts: Readonly<Record<string, number>>,
): Promise<Record<string, number[]>> {
  const kept = await readPorts(file)
  const all: Record<string, number[]> = {}
  for (const [name, count] of Object.entries(counts)) {
    const before = kept[name] ?? []
    const free = await Promise.all(before.map(isFree))
    all[name] = before.length === count && free.every(Boolean) ? before : await freePorts(count)
  }
  await writeFile(file, JSON.stringify({ ...kept, ...all }))
  return all
}

async function readPorts(file: string): Promise<Record<string, number[]>> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw error
  }
}
