/**
 * The subjects of a change log. All start with the stream's name, so that many logs share one account, and with the epoch: what a
 * writer sends that has not heard of a repair finds no stream that takes it.
 */

import { createHash } from 'node:crypto'

/** Longest base64url form of a key that stands in a subject as itself; a longer key stands as its hash. */
const maxKeyToken = 128

export type SubjectKind =
  /** A row by its key; the key itself when it is short enough to be in the subject. */
  | { readonly kind: 'row'; readonly key: Buffer | undefined }
  /** Rows of an append-only Table, many a message. */
  | { readonly kind: 'rows' }
  /** The marker of a mutation id. */
  | { readonly kind: 'marker' }
  /** A control record: schema, expire, tick, guard. */
  | { readonly kind: 'control'; readonly name: string }
  /** The revision below which the log may have been purged. */
  | { readonly kind: 'floor' }
  /** The record of an erasure, by its id. */
  | { readonly kind: 'erase'; readonly id: string }

export type Subjects = {
  /** Every subject of the log, for the stream's configuration. */
  readonly all: string
  readonly rows: string
  readonly floor: string
  readonly key: (key: Buffer) => string
  readonly marker: (principal: string, mutationId: string) => string
  readonly control: (name: 'schema' | 'expire' | 'tick' | 'guard') => string
  /** The record of an erasure; its id is a token of letters, digits, `-` and `_`. */
  readonly erase: (id: string) => string
  /** The records of all erasures, as a filter. */
  readonly erasures: string
  /** Reads a subject back, of any epoch: a log may have gone on in another. Undefined for one that is not of this log's format. */
  readonly parse: (subject: string) => SubjectKind | undefined
}

/** `stream` is the stream's name; `tableUid` keeps the markers of a remade Table apart. */
export function subjectsOf(stream: string, tableUid: string, epoch: number): Subjects {
  const prefix = `${stream}.${epoch}.`
  return {
    all: `${prefix}>`,
    rows: `${prefix}a`,
    floor: `${prefix}floor`,
    key: key => {
      const token = key.toString('base64url')
      return token.length <= maxKeyToken
        ? `${prefix}k.${token}`
        : `${prefix}h.${createHash('sha256').update(key).digest('base64url')}`
    },
    marker: (principal, mutationId) => {
      const hash = createHash('sha256')
        .update(JSON.stringify([tableUid, principal, mutationId]))
        .digest('base64url')
      return `${prefix}m.${hash}`
    },
    control: name => `${prefix}c.${name}`,
    erase: id => `${prefix}erase.${id}`,
    erasures: `${prefix}erase.*`,
    parse: subject => {
      const epochEnd = subject.indexOf('.', stream.length + 1)
      if (epochEnd < 0 || !subject.startsWith(`${stream}.`)) return undefined
      const rest = subject.slice(epochEnd + 1)
      if (rest.startsWith('k.')) return { kind: 'row', key: Buffer.from(rest.slice(2), 'base64url') }
      if (rest.startsWith('h.')) return { kind: 'row', key: undefined }
      if (rest === 'a') return { kind: 'rows' }
      if (rest.startsWith('m.')) return { kind: 'marker' }
      if (rest.startsWith('erase.')) return { kind: 'erase', id: rest.slice(6) }
      if (rest.startsWith('c.')) return { kind: 'control', name: rest.slice(2) }
      return rest === 'floor' ? { kind: 'floor' } : undefined
    },
  }
}
