/** What each version of a lake holds, from its commits as they lie in the bucket: how far it leads, and under which schema. */
import type { DeltaLake } from '../../engine/lake/delta/lake.ts'

export type LakeVersion = {
  readonly version: number
  /** The last revision whose change it holds; 0 at first. */
  readonly revision: number
  /** Number of the schema of its columns; 0 while no row was written. */
  readonly schema: number
  /** When it was committed, in milliseconds since 1970 by the clock of its writer. */
  readonly timestamp: number
  /** Its files were put together, and no row changed. */
  readonly compaction: boolean
}

type Commit = {
  readonly txn?: { readonly version: number }
  readonly metaData?: { readonly configuration: Readonly<Record<string, string>> }
  readonly commitInfo?: { readonly timestamp: number; readonly operation: string }
}

export class LakeVersions {
  readonly #lake: DeltaLake
  readonly #versions: LakeVersion[] = []
  /** The first that can be read; to be raised when others are removed. */
  begin = 0

  constructor(lake: DeltaLake) {
    this.#lake = lake
  }

  /** Reads the commits that are there by now. To be called before any is removed. */
  async follow(): Promise<void> {
    for (;;) {
      const version = this.#versions.length
      const key = `${this.#lake.root}/_delta_log/${String(version).padStart(20, '0')}.json`
      const body = await this.#lake.objects.get(this.#lake.bucket, key)
      if (body === undefined) return
      this.#versions.push(this.#read(version, body.toString()))
    }
  }

  /** Every version that there ever was, in their order. */
  get all(): readonly LakeVersion[] {
    return this.#versions
  }

  /** Those that can be read. */
  get kept(): readonly LakeVersion[] {
    return this.#versions.slice(this.begin)
  }

  get newest(): LakeVersion | undefined {
    return this.#versions.at(-1)
  }

  /** How far the version before those that are kept leads. */
  get forgotten(): number {
    return this.#versions[this.begin - 1]?.revision ?? 0
  }

  /** The version that holds the changes of a batch. */
  holding(revision: number): number | undefined {
    return this.#versions.find(one => one.revision >= revision)?.version
  }

  #read(version: number, text: string): LakeVersion {
    const before = this.newest ?? { revision: 0, schema: 0, timestamp: 0 }
    let read: LakeVersion = { ...before, version, compaction: false }
    for (const line of text.trim().split('\n')) {
      const { txn, metaData, commitInfo }: Commit = JSON.parse(line)
      if (txn !== undefined) read = { ...read, revision: txn.version }
      if (metaData !== undefined) read = { ...read, schema: Number(metaData.configuration['blasty.schema'] ?? 0) }
      if (commitInfo !== undefined) {
        const { timestamp, operation } = commitInfo
        read = { ...read, timestamp, compaction: operation === 'OPTIMIZE' }
      }
    }
    return read
  }
}
