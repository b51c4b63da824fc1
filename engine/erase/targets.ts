/** What is to be forgotten: keys, each with the revision up to which. What is written behind that stays. */

import type { PendingErasure } from '../log/erasures.ts'

export type Targets = {
  /** The last revision of them all. */
  readonly revision: number
  readonly keys: readonly { readonly key: Buffer; readonly upTo: number }[]
  /** Whether what a key's row was at a revision is to be forgotten. */
  readonly covers: (key: Buffer, revision: number) => boolean
}

/** The targets of erasures that are done together. */
export function targetsOf(erasures: readonly Pick<PendingErasure, 'keys' | 'revision'>[]): Targets {
  const upTo = new Map<string, number>()
  for (const { keys, revision } of erasures) {
    for (const key of keys) {
      const name = nameOf(key)
      upTo.set(name, Math.max(revision, upTo.get(name) ?? 0))
    }
  }
  return {
    revision: Math.max(0, ...upTo.values()),
    keys: [...upTo].map(([name, last]) => ({ key: Buffer.from(name, 'latin1'), upTo: last })),
    covers: (key, revision) => revision <= (upTo.get(nameOf(key)) ?? -1),
  }
}

const nameOf = (key: Buffer): string => key.toString('latin1')
