/** What the tests of expiry share: work that goes on until it has been told something, and times that are handed in. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Table } from '../table.ts'
import { patience } from '../testing.ts'
import { Expiry, type ExpiryOptions, type ExpiryProgress, keepExpiring } from './expire.ts'

export const retentionSeconds = 3600

/** A time, in milliseconds since 1970, at which what was committed at `time` (microseconds) is too old, and what came later is not. */
export const whenDue = (time: number): number => time / 1000 + retentionSeconds * 1000

/** When the batch that ends at a revision was committed, in microseconds since 1970. */
export async function commitTimeOf(table: Table, revision: number): Promise<number> {
  const replica = await table.reached(revision, 'rows', patience())
  let time = 0
  for await (const one of replica.source.changes(revision - 1, patience(), revision)) time = one.commitTime
  return time
}

export type Expiring = {
  readonly progress: readonly ExpiryProgress[]
  readonly failures: readonly unknown[]
  /** Resolves when that many looks have been told of. */
  readonly looked: (times: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Removes rows that are too old, as a worker does, one look after another. */
export function startExpiring(table: Table, folder: string, options: Partial<ExpiryOptions> = {}): Expiring {
  const stop = new AbortController()
  const progress: ExpiryProgress[] = []
  const failures: unknown[] = []
  const ended = keepExpiring({
    table,
    retentionSeconds,
    scratch: join(folder, 'expiry'),
    signal: stop.signal,
    restMillis: 5,
    onProgress: one => progress.push(one),
    onFailure: error => failures.push(error),
    ...options,
  })
  return {
    progress,
    failures,
    looked: async times => {
      for (const late = patience(); progress.length < times; await sleep(5)) late.throwIfAborted()
    },
    stop: async () => {
      stop.abort()
      await ended
    },
  }
}

/** Looks once, and removes what is too old at a time in milliseconds since 1970. Throws what goes wrong. */
export async function expireAt(
  table: Table,
  folder: string,
  time: number,
  options: Partial<ExpiryOptions> = {},
): Promise<ExpiryProgress> {
  const progress: ExpiryProgress[] = []
  const work = new Expiry({
    table,
    retentionSeconds,
    scratch: join(folder, 'expiry'),
    signal: patience(),
    now: async () => time,
    onProgress: one => progress.push(one),
    onFailure: () => {},
    ...options,
  })
  await work.look()
  const last = progress.at(-1)
  assert.ok(last)
  return last
}
