/** Where facades are and how to sign in there: a file of named contexts, as kubectl has them. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { UsageError } from './failure.ts'

/** All that a context may say; flags and environment come before it. */
export type Context = {
  /** `https://host:port`, or `http://host:port` for plain text. */
  readonly server?: string
  readonly namespace?: string
  /** PEM file of the authorities that the server's certificate is checked against. */
  readonly ca?: string
  readonly token?: string
  readonly tokenFile?: string
  /** Program and arguments that print a token. */
  readonly tokenCommand?: readonly string[]
}

const texts = ['server', 'namespace', 'ca', 'token', 'tokenFile'] as const

/** The file read unless another is named. */
export const defaultConfig = join(homedir(), '.config', 'blasty', 'config.yaml')

/**
 * Reads the context of a name, or the current one; an empty one when there is no file and none was asked for.
 * @throws UsageError naming what is wrong with the file
 */
export async function readContext(file: string | undefined, name: string | undefined): Promise<Context> {
  const path = file ?? defaultConfig
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (absent && file === undefined && name === undefined) return {}
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
  const wrong = (problem: string) => new UsageError(`${path}: ${problem}`)
  const config: unknown = parse(text)
  const wanted = name ?? field(config, 'currentContext')
  if (wanted === undefined) return {}
  const context = field(field(config, 'contexts'), String(wanted))
  if (typeof context !== 'object' || context === null) throw wrong(`there is no context ${wanted}`)
  const known: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(context)) {
    const isCommand = key === 'tokenCommand' && Array.isArray(value) && value.every(part => typeof part === 'string')
    if (!isCommand && !(texts.some(text => text === key) && typeof value === 'string'))
      throw wrong(`${key} of context ${wanted} is not known, or not of its type`)
    known[key] = value
  }
  return known
}

/** The token that a context gives, if it gives one. Throws UsageError when its file or program does not. */
export async function contextToken({ token, tokenFile, tokenCommand }: Context): Promise<string | undefined> {
  if (token !== undefined) return token
  try {
    if (tokenFile !== undefined) return (await readFile(tokenFile, 'utf8')).trim()
    const [program, ...args] = tokenCommand ?? []
    if (program === undefined) return undefined
    return (await promisify(execFile)(program, args)).stdout.trim()
  } catch (error) {
    throw new UsageError(`no token can be had: ${error instanceof Error ? error.message : error}`)
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
