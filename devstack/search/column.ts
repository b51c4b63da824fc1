/** One facet column in memory: the values of a field by document, encoded in a dictionary. */
import type { FieldValue } from './flatten.ts'
import { compareText } from './json.ts'

/** The form in which facet strings are compared: trimmed, compatibility-decomposed, lower case. Accents stay. */
export const normaliseFacet = (text: string): string => text.trim().normalize('NFKD').toLowerCase()

const NONE = -1
const EXISTS = 1
const NULL = 2
const EMPTY = 4

export type FacetValue = { number: number } | { text: string; original: string }

const keyOf = (value: number | string): string =>
  typeof value === 'number' ? (Object.is(value, -0) ? '#-0' : `#${value}`) : `"${value}`

/** Grows a typed array to hold `size` items at least. */
function grown<T extends Int32Array | Uint8Array>(array: T, size: number, make: (length: number) => T): T {
  if (size <= array.length) return array
  const next = make(Math.max(size, array.length * 2, 1024))
  next.set(array)
  return next
}

export class Column {
  /** By document: a code, NONE, or -2-i for the codes in `many[i]`. */
  #codes = new Int32Array(0)
  #flags = new Uint8Array(0)
  readonly #many: number[][] = []
  readonly #freeMany: number[] = []
  readonly #byKey = new Map<string, number>()
  readonly #dictionary: (FacetValue | undefined)[] = []
  readonly #uses: number[] = []
  readonly #freeCodes: number[] = []
  #order: Int32Array | undefined
  /** Documents that have the field. */
  documents = 0

  set(doc: number, field: FieldValue): void {
    const before = this.#codes.length
    this.#codes = grown(this.#codes, doc + 1, length => new Int32Array(length))
    if (this.#codes.length > before) this.#codes.fill(NONE, before)
    this.#flags = grown(this.#flags, doc + 1, length => new Uint8Array(length))
    this.#flags[doc] = EXISTS | (field.isNull ? NULL : 0) | (field.isEmpty ? EMPTY : 0)
    this.documents++
    if (field.values.length === 1) {
      this.#codes[doc] = this.#use(field.values[0] ?? 0)
    } else if (field.values.length > 1) {
      const codes = [
        ...new Set(field.values.map(value => keyOf(typeof value === 'string' ? normaliseFacet(value) : value))),
      ]
      const first = new Map<string, number | string>()
      for (const value of field.values) {
        const key = keyOf(typeof value === 'string' ? normaliseFacet(value) : value)
        if (!first.has(key)) first.set(key, value)
      }
      const list = codes.map(key => this.#use(first.get(key) ?? 0))
      const slot = this.#freeMany.pop() ?? this.#many.length
      this.#many[slot] = list
      this.#codes[doc] = -2 - slot
    }
  }

  remove(doc: number): void {
    if (!this.exists(doc)) return
    this.documents--
    this.#flags[doc] = 0
    const code = this.#codes[doc] ?? NONE
    if (code >= 0) this.#release(code)
    else if (code !== NONE) {
      for (const one of this.#many[-2 - code] ?? []) this.#release(one)
      this.#many[-2 - code] = []
      this.#freeMany.push(-2 - code)
    }
    this.#codes[doc] = NONE
  }

  exists(doc: number): boolean {
    return ((this.#flags[doc] ?? 0) & EXISTS) !== 0
  }

  isNull(doc: number): boolean {
    return ((this.#flags[doc] ?? 0) & NULL) !== 0
  }

  isEmpty(doc: number): boolean {
    return ((this.#flags[doc] ?? 0) & EMPTY) !== 0
  }

  /** How many codes there are: the bound of every code. */
  get codeCount(): number {
    return this.#dictionary.length
  }

  value(code: number): FacetValue | undefined {
    return this.#dictionary[code]
  }

  /** The code of a number or of an already normalised text. */
  codeOf(value: number | string): number | undefined {
    return this.#byKey.get(keyOf(value))
  }

  /** The codes of one document. */
  codesOf(doc: number): readonly number[] {
    const code = this.#codes[doc] ?? NONE
    if (code >= 0) return [code]
    return code === NONE ? [] : (this.#many[-2 - code] ?? [])
  }

  /** Marks in `out` every document that has a code marked in `codes`. */
  select(codes: Uint8Array, out: Uint8Array): void {
    const end = Math.min(out.length, this.#codes.length)
    for (let doc = 0; doc < end; doc++) {
      const code = this.#codes[doc] ?? NONE
      if (code >= 0) {
        if (codes[code] === 1) out[doc] = 1
      } else if (code !== NONE && (this.#many[-2 - code] ?? []).some(one => codes[one] === 1)) out[doc] = 1
    }
  }

  /** Documents a code, among the documents marked. */
  counts(docs: Uint8Array): Uint32Array {
    const counts = new Uint32Array(this.#dictionary.length)
    const end = Math.min(docs.length, this.#codes.length)
    for (let doc = 0; doc < end; doc++) {
      if (docs[doc] !== 1) continue
      const code = this.#codes[doc] ?? NONE
      if (code >= 0) counts[code] = (counts[code] ?? 0) + 1
      else if (code !== NONE) for (const one of this.#many[-2 - code] ?? []) counts[one] = (counts[one] ?? 0) + 1
    }
    return counts
  }

  /**
   * Where a document sorts: the rank of its least value (its greatest when `descending`), numbers first, then text.
   * Descending turns the order round inside numbers and inside text. Without a value: Infinity.
   */
  sortKey(doc: number, descending: boolean): number {
    const code = this.#codes[doc] ?? NONE
    if (code === NONE) return Infinity
    const order = this.#sorted()
    if (code >= 0) return this.#key(code, order, descending)
    let best = Infinity
    for (const one of this.#many[-2 - code] ?? []) best = Math.min(best, this.#key(one, order, descending))
    return best
  }

  #key(code: number, order: Int32Array, descending: boolean): number {
    const rank = order[code] ?? 0
    if (!descending) return rank
    const value = this.#dictionary[code]
    return value && 'number' in value ? -rank : order.length * 2 - rank
  }

  #sorted(): Int32Array {
    if (this.#order) return this.#order
    const codes = [...this.#dictionary.keys()].filter(code => this.#dictionary[code])
    codes.sort((a, b) => compareValues(this.#dictionary[a], this.#dictionary[b]))
    const order = new Int32Array(this.#dictionary.length)
    codes.forEach((code, rank) => {
      order[code] = rank
    })
    this.#order = order
    return order
  }

  #use(value: number | string): number {
    const normal = typeof value === 'string' ? normaliseFacet(value) : value
    const key = keyOf(normal)
    let code = this.#byKey.get(key)
    if (code === undefined) {
      code = this.#freeCodes.pop() ?? this.#dictionary.length
      this.#dictionary[code] =
        typeof normal === 'number' ? { number: normal } : { text: normal, original: String(value) }
      this.#uses[code] = 0
      this.#byKey.set(key, code)
      this.#order = undefined
    }
    this.#uses[code] = (this.#uses[code] ?? 0) + 1
    return code
  }

  #release(code: number): void {
    const uses = (this.#uses[code] ?? 1) - 1
    this.#uses[code] = uses
    if (uses > 0) return
    const value = this.#dictionary[code]
    if (value) this.#byKey.delete(keyOf('number' in value ? value.number : value.text))
    this.#dictionary[code] = undefined
    this.#freeCodes.push(code)
  }
}

/** Numbers before text, each in its order. */
export function compareValues(a: FacetValue | undefined, b: FacetValue | undefined): number {
  if (!a || !b) return a ? -1 : b ? 1 : 0
  if ('number' in a) return 'number' in b ? a.number - b.number : -1
  return 'number' in b ? 1 : compareText(a.text, b.text)
}
