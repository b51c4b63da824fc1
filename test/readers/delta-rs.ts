/** delta-rs as a reader of the lake: one Python process that answers many questions. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { devConfig, inheritedEnvironment } from '../../devstack/config.ts'
import type { ObjectStoreInfo } from '../../devstack/info.ts'
import { resolvePython } from '../../devstack/lake/python.ts'
import { reportToStderr } from '../../devstack/progress.ts'
import type { Json } from '../../engine/schema/schema.ts'
import { type LakeReader, type LakeRow, type LakeTable, uriOf } from './reader.ts'

const script = fileURLToPath(new URL('./delta-rs.py', import.meta.url))

/** What delta-rs says of a table. */
export type LakeDescription = {
  readonly version: number
  readonly protocol: {
    readonly minReaderVersion: number
    readonly minWriterVersion: number
    readonly readerFeatures: readonly string[]
    readonly writerFeatures: readonly string[]
  }
  readonly configuration: Readonly<Record<string, string>>
  readonly schema: Json
  /** The `txn` version of each application asked for, null without one. */
  readonly transactions: Readonly<Record<string, number | null>>
  /** Commits, the newest first. */
  readonly history: readonly Readonly<Record<string, Json>>[]
}

export type DeltaRs = LakeReader & {
  /** Rows of a DataFusion query over the table under the name `t`. */
  query(table: LakeTable, sql: string, version?: number): Promise<LakeRow[]>
  describe(table: LakeTable, apps?: readonly string[]): Promise<LakeDescription>
}

/** Starts the reader; it ends when disposed of, and with this process. Questions throw what delta-rs throws, by its name. */
export async function startDeltaRs(store: ObjectStoreInfo): Promise<DeltaRs> {
  const python = await resolvePython(devConfig(), reportToStderr)
  const options = {
    AWS_ENDPOINT_URL: store.endpoint,
    AWS_ACCESS_KEY_ID: store.accessKey,
    AWS_SECRET_ACCESS_KEY: store.secretKey,
    AWS_REGION: store.region,
    AWS_ALLOW_HTTP: 'true',
  }
  const child = spawn(python, [script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: inheritedEnvironment({ DELTA_STORAGE_OPTIONS: JSON.stringify(options) }),
  })
  const ended = once(child, 'exit')
  child.stdin.on('error', () => {}) // its end is seen at the output
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  // One question at a time, in order.
  let last: Promise<unknown> = Promise.resolve()
  const ask = (question: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const answered = last.then(async () => {
      child.stdin.write(`${JSON.stringify(question)}\n`)
      const { value: line, done } = await answers.next()
      if (done) throw new Error('the Python process of delta-rs ended; see its messages above')
      const { value, error }: { value?: unknown; error?: string } = JSON.parse(line)
      if (error !== undefined) throw new Error(error)
      return value
    })
    last = answered.catch(() => undefined)
    return answered
  }
  const query = async (table: LakeTable, sql: string | undefined, version: number | undefined): Promise<LakeRow[]> =>
    rowsOf(await ask({ ask: 'rows', table: uriOf(table), sql, version }))
  return {
    name: 'delta-rs',
    timestamps: 'microseconds',
    rows: (table, version) => query(table, undefined, version),
    query,
    changes: async (table, from, to) => rowsOf(await ask({ ask: 'changes', table: uriOf(table), from, to })),
    describe: async (table, apps = []) => {
      const value = await ask({ ask: 'describe', table: uriOf(table), apps })
      if (!isDescription(value)) throw new TypeError('delta-rs described no table')
      return value
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}

function rowsOf(value: unknown): LakeRow[] {
  if (!Array.isArray(value)) throw new TypeError('delta-rs answered no rows')
  return value
}

/** The script is this project's own: its first field tells whether it is such an answer. */
const isDescription = (value: unknown): value is LakeDescription =>
  typeof value === 'object' && value !== null && 'protocol' in value
