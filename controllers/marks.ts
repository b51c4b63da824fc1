/** The mark of ownership that everything in the backends carries, and what it allows. */

import type { Identity } from './names.ts'

/** Whose a thing is. It is written with the thing or before it. */
export type Mark = Identity & { readonly namespaceUid: string; readonly uid: string }

/** How a thing is marked: not at all, readably or not. */
export type Found =
  | { readonly marked: 'no' }
  | { readonly marked: 'yes'; readonly mark: Mark }
  | { readonly marked: 'unreadable' }

export const unmarked: Found = { marked: 'no' }

/** What may be taken over from an earlier resource of the same name. */
export type Adoption = {
  /** The resource asks for it with its annotation. */
  readonly asked: boolean
  /** Uids of namespaces of this name whose data the class lets go on in the present one. */
  readonly namespaceUids: readonly string[]
}

export type Ownership =
  | { readonly type: 'ours' }
  /** Left by an earlier resource of the same name, and it may be taken over. */
  | { readonly type: 'adoptable'; readonly from: Mark }
  | {
      readonly type: 'foreign'
      readonly reason: 'NotMarked' | 'OwnedByOther' | 'RetainedData'
      readonly message: string
    }

export const adoptAnnotation = 'blasty.dev/adopt'

const fields = ['installation', 'kind', 'namespace', 'name', 'namespaceUid', 'uid'] as const satisfies (keyof Mark)[]

/** Judges what was found on `what` (such as `stream x`) for the resource that `wanted` names. */
export function judge(what: string, found: Found, wanted: Mark, adoption: Adoption): Ownership {
  if (found.marked === 'no') {
    return foreign('NotMarked', `${what} exists and carries no mark of Blasty; it is left alone. Remove or rename it`)
  }
  if (found.marked === 'unreadable') {
    return foreign('OwnedByOther', `${what} carries a mark that cannot be read; it is left alone`)
  }
  const { mark } = found
  if (mark.uid === wanted.uid && mark.installation === wanted.installation) return { type: 'ours' }
  const sameName = (['installation', 'kind', 'namespace', 'name'] as const).every(
    field => mark[field] === wanted[field],
  )
  if (!sameName) {
    const owner = `${mark.kind} ${mark.namespace}/${mark.name} of installation ${mark.installation}`
    return foreign('OwnedByOther', `${what} belongs to ${owner}; it is left alone`)
  }
  const left = `${what} holds the data of an earlier ${mark.kind} of this name (uid ${mark.uid})`
  if (!adoption.asked) {
    return foreign(
      'RetainedData',
      `${left}; annotate this one with ${adoptAnnotation}: "true" to go on with it, or remove it`,
    )
  }
  if (mark.namespaceUid !== wanted.namespaceUid && !adoption.namespaceUids.includes(mark.namespaceUid)) {
    const earlier = `another namespace of this name (uid ${mark.namespaceUid})`
    return foreign('RetainedData', `${left} in ${earlier}; the class must list it under adoptions`)
  }
  return { type: 'adoptable', from: mark }
}

function foreign(reason: 'NotMarked' | 'OwnedByOther' | 'RetainedData', message: string): Ownership {
  return { type: 'foreign', reason, message }
}

/** The mark as metadata of a stream: short texts under keys of our own. */
export function markMetadata(mark: Mark): Record<string, string> {
  return Object.fromEntries(fields.map(field => [metadataKey(field), mark[field]]))
}

/** Reads a stream's metadata back; the server adds keys of its own. */
export function markOfMetadata(metadata: Readonly<Record<string, string>> | undefined): Found {
  const found = Object.fromEntries(fields.map(field => [field, metadata?.[metadataKey(field)]]))
  return fields.every(field => found[field] === undefined) ? unmarked : parsed(found)
}

const metadataKey = (field: (typeof fields)[number]) =>
  `blasty-${field.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`

/** The mark as a document of an object store or search server. */
export function markDocument(mark: Mark): Mark {
  const { installation, kind, namespace, name, namespaceUid, uid } = mark
  return { installation, kind, namespace, name, namespaceUid, uid }
}

/** Reads a document back, given as JSON text or as a value. */
export function markOfDocument(document: unknown): Found {
  try {
    return parsed(typeof document === 'string' ? JSON.parse(document) : document)
  } catch (error) {
    if (error instanceof SyntaxError) return { marked: 'unreadable' }
    throw error
  }
}

function parsed(value: unknown): Found {
  if (typeof value !== 'object' || value === null) return { marked: 'unreadable' }
  const given = value as Readonly<Record<string, unknown>>
  const { installation, kind, namespace, name, namespaceUid, uid } = given
  if (kind !== 'Table' && kind !== 'Index' && kind !== 'Subscription') return { marked: 'unreadable' }
  const texts = [installation, namespace, name, namespaceUid, uid]
  const [i, ns, n, nsUid, u] = texts.map(text => (typeof text === 'string' && text !== '' ? text : undefined))
  if (i === undefined || ns === undefined || n === undefined || nsUid === undefined || u === undefined)
    return { marked: 'unreadable' }
  return { marked: 'yes', mark: { installation: i, kind, namespace: ns, name: n, namespaceUid: nsUid, uid: u } }
}
