/** The names of things in the backends: derived from who they are for, readable, and never those of two. */

import { createHash } from 'node:crypto'

export type ExternalKind = 'Table' | 'Index' | 'Subscription'

export type Identity = {
  /** Of the BackendClass. */
  readonly installation: string
  readonly kind: ExternalKind
  readonly namespace: string
  readonly name: string
}

/** A bucket's bound; streams and indexes would allow more. */
const maxLength = 63
const hashLength = 16
const words: Readonly<Record<ExternalKind, string>> = { Table: 'table', Index: 'index', Subscription: 'sub' }

/** What S3 reserves: names that begin or end so are refused or mean something else (Amazon S3, bucket naming rules). */
const reservedStart = /^(?:xn--|sthree-|amzn-s3-demo-)/
const reservedEnd = /(?:-s3alias|--[a-z]+-s3|--ol-s3)$/

/**
 * The name of a resource's bucket, stream or search index: `prod-table--cinema--films`, of `[a-z0-9-]`, at most 63
 * characters. The parts hold no two hyphens in a row, so that it can be of one resource only. Where one does, or where
 * the name is too long or reserved, `---` and a hash take the place of its end, which the first form never holds.
 */
export function externalName(identity: Identity): string {
  const { installation, kind, namespace, name } = identity
  const plain = `${installation}-${words[kind]}--${namespace}--${name}`
  const ambiguous = [installation, namespace, name].some(part => part.includes('--'))
  if (!ambiguous && plain.length <= maxLength && !reservedStart.test(plain) && !reservedEnd.test(plain)) return plain
  const hash = createHash('sha256')
    .update(JSON.stringify([installation, kind, namespace, name]))
    .digest('hex')
    .slice(0, hashLength)
  const start = reservedStart.test(plain) ? `b-${plain}` : plain
  const readable = start.slice(0, maxLength - hashLength - 3).replace(/-+$/, '')
  return `${readable}---${hash}`
}
