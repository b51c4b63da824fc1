/** Official downloads: fetched from the publisher or a mirror, checked against the publisher's SHA-256, unpacked. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type { Release } from './programs.ts'

const run = promisify(execFile)
const answerTimeoutMilliseconds = 5_000
const stallTimeoutMilliseconds = 30_000

/** Where a publisher's file is fetched from: itself, or `<mirror>/<host>/<path>`. */
export function mirrored(url: string, mirror: string | undefined): string {
  return mirror === undefined ? url : url.replace(/^https:\/\//, `${mirror}/`)
}

/** Where files come from in one run. */
export type Source = {
  readonly mirror: string | undefined
  /** Hosts that gave no answer: they are not asked, and waited for, again. */
  readonly silentHosts: Set<string>
  /** Ends a download. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Fetches a release into `folder` and returns the path of the program in it.
 * Throws when the host does not answer in time, answers with an error, or the checksum differs.
 */
export async function download(release: Release, folder: string, source: Source): Promise<string> {
  const name = basename(new URL(release.url).pathname)
  const expected = parseChecksum(
    await fetchText(mirrored(release.checksumUrl, source.mirror), source.silentHosts),
    name,
  )
  const file = join(folder, name)
  await fetchChecked(release.url, expected, file, source)
  if (release.member === undefined) return file
  await run('tar', ['-xf', file, '-C', dirname(file), release.member])
  return join(folder, release.member)
}

/** Writes what `url` answers to `file`. Throws when it does not answer in time or the SHA-256 is not the one expected. */
export async function fetchChecked(url: string, sha256: string, file: string, source: Source): Promise<void> {
  const actual = await fetchFile(mirrored(url, source.mirror), file, source)
  if (actual !== sha256) {
    throw new Error(`${basename(file)} has SHA-256 ${actual}, its publisher says ${sha256}: it was not used`)
  }
}

/** The SHA-256 of `name` in a checksum file: `<hex>  <name>` on a line of its own, or nothing but the hex. */
export function parseChecksum(text: string, name: string): string {
  for (const line of text.split('\n')) {
    const [, hex, file] = /^([0-9a-f]{64})(?:\s+\*?(\S+))?\s*$/i.exec(line) ?? []
    if (hex !== undefined && (file === undefined || basename(file) === name)) return hex.toLowerCase()
  }
  throw new Error(`the publisher's checksum file does not name ${name}`)
}

async function fetchText(url: string, silentHosts: Set<string>): Promise<string> {
  const response = await get(url, AbortSignal.timeout(answerTimeoutMilliseconds), silentHosts)
  return await response.text()
}

/** Writes the answer to `file`; returns its SHA-256 in hex. */
async function fetchFile(url: string, file: string, { silentHosts, signal }: Source): Promise<string> {
  const abort = new AbortController()
  const either = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal])
  const giveUp = (): void => abort.abort(new Error(`${url} stalled`))
  let timer = setTimeout(giveUp, answerTimeoutMilliseconds)
  const hash = createHash('sha256')
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      clearTimeout(timer)
      timer = setTimeout(giveUp, stallTimeoutMilliseconds)
      hash.update(chunk)
      done(null, chunk)
    },
  })
  try {
    const response = await get(url, either, silentHosts)
    if (response.body === null) throw new Error(`${url} answers without a body`)
    await pipeline(Readable.fromWeb(response.body), meter, createWriteStream(file))
  } finally {
    clearTimeout(timer)
  }
  return hash.digest('hex')
}

async function get(url: string, signal: AbortSignal, silentHosts: Set<string>): Promise<Response> {
  const { host } = new URL(url)
  if (silentHosts.has(host)) throw new Error(`${host} gave no answer before`)
  let response: Response
  try {
    response = await fetch(url, { signal })
  } catch (error) {
    silentHosts.add(host)
    throw new Error(`${host} does not answer: ${reasonOf(error)}`, { cause: error })
  }
  if (response.ok) return response
  await response.body?.cancel()
  throw new Error(`${url} answers ${response.status}`)
}

/** What lies under fetch's own "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
