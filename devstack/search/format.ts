/** What a hit shows: chosen attributes, highlights, crops and match positions. */
import { writtenNumber } from './facets.ts'
import { matchesPattern } from './flatten.ts'
import { type Doc, isObject, type Json } from './json.ts'
import type { SearchParams } from './search-params.ts'
import type { TermMatches } from './term-matches.ts'
import { type Token, tokenize } from './tokens.ts'

/** Words to mark and how many letters of each; undefined marks the whole word. */
export type Marks = ReadonlyMap<string, number | undefined>

export function marksOf(terms: readonly TermMatches[]): Marks {
  const marks = new Map<string, number | undefined>()
  for (const term of terms) for (const [word, letters] of term.marks) marks.set(word, letters)
  return marks
}

/** The document reduced to the attributes (patterns, nested names) wanted. */
export function pick(doc: Doc, wanted: readonly string[]): Doc {
  if (wanted.includes('*')) return doc
  const picked: Doc = {}
  const take = (from: Doc, into: Doc, path: string): void => {
    for (const [name, value] of Object.entries(from)) {
      const at = path === '' ? name : `${path}.${name}`
      if (wanted.some(pattern => matchesPattern(pattern, at))) into[name] = value
      else if (isObject(value) && wanted.some(pattern => pattern.startsWith(`${at}.`))) {
        const inner: Doc = {}
        take(value, inner, at)
        into[name] = inner
      }
    }
  }
  take(doc, picked, '')
  return picked
}

/** `name:12` overrides the crop length of one attribute. */
function cropLengths(params: SearchParams): { pattern: string; length: number }[] {
  return params.attributesToCrop.map(text => {
    const match = /^(.*):(\d+)$/.exec(text)
    return match?.[1] === undefined
      ? { pattern: text, length: params.cropLength }
      : { pattern: match[1], length: Number(match[2]) }
  })
}

/** The `_formatted` of a hit; undefined when nothing asks for it. */
export function formatted(doc: Doc, params: SearchParams, marks: Marks): Doc | undefined {
  const crops = cropLengths(params)
  if (params.attributesToHighlight.length === 0 && crops.length === 0) return undefined
  const shown = [...params.attributesToRetrieve, ...params.attributesToHighlight, ...crops.map(crop => crop.pattern)]
  const format = (value: Json, path: string): Json => {
    if (Array.isArray(value)) return value.map(item => format(item, path))
    if (isObject(value)) {
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, format(inner, `${path}.${name}`)]))
    }
    const highlight = params.attributesToHighlight.some(pattern => matchesPattern(pattern, path))
    const crop = crops.find(({ pattern }) => matchesPattern(pattern, path))
    if (value === null || typeof value === 'boolean' || (!highlight && !crop)) return value
    const text = typeof value === 'number' ? writtenNumber(value) : value
    return render(text, params, marks, highlight, crop?.length)
  }
  const picked = pick(doc, shown)
  return Object.fromEntries(Object.entries(picked).map(([name, value]) => [name, format(value, name)]))
}

function render(
  text: string,
  params: SearchParams,
  marks: Marks,
  highlight: boolean,
  cropLength: number | undefined,
): string {
  const tokens = tokenize(text)
  const window = cropLength === undefined ? undefined : cropWindow(tokens, marks, cropLength)
  const first = window ? (tokens[window.from]?.start ?? 0) : 0
  const last = window ? (tokens[window.to]?.end ?? text.length) : text.length
  const cutLeft = window !== undefined && window.from > 0
  const cutRight = window !== undefined && window.to < tokens.length - 1
  const start = cutLeft ? first : 0
  const end = cutRight ? last : text.length
  let out = cutLeft ? params.cropMarker : ''
  let at = start
  if (highlight) {
    for (const token of tokens) {
      if (token.start < start || token.end > end || !marks.has(token.word)) continue
      const stop = markedEnd(token, marks)
      out += `${text.slice(at, token.start)}${params.highlightPreTag}${text.slice(token.start, stop)}${params.highlightPostTag}`
      at = stop
    }
  }
  return out + text.slice(at, end) + (cutRight ? params.cropMarker : '')
}

const markedEnd = (token: Token, marks: Marks): number =>
  Math.min(token.end, token.start + (marks.get(token.word) ?? token.end - token.start))

/** The words around the best run of matches: as many as `length`, half before, half after, as the text allows. */
function cropWindow(tokens: readonly Token[], marks: Marks, length: number): { from: number; to: number } | undefined {
  if (length === 0 || tokens.length <= length) return undefined
  const hits = [...tokens.keys()].filter(i => marks.has(tokens[i]?.word ?? ''))
  let from = 0
  let to = 0
  let best = 0
  for (const i of hits) {
    const inside = hits.filter(j => j >= i && j < i + length)
    if (inside.length > best) {
      best = inside.length
      from = i
      to = inside.at(-1) ?? i
    }
  }
  if (best === 0) return { from: 0, to: length - 1 }
  for (let before = true; to - from + 1 < length; before = !before) {
    if (before ? from > 0 : to < tokens.length - 1) before ? from-- : to++
    else if (from > 0) from--
    else if (to < tokens.length - 1) to++
    else break
  }
  return { from, to }
}

const bytes = (text: string): number => Buffer.byteLength(text)

/** Where the query matches, by attribute, in bytes. */
export function matchPositions(doc: Doc, searchable: readonly string[], marks: Marks): Doc {
  const found: { [path: string]: Json[] } = {}
  const visit = (value: Json, path: string, at: number[]): void => {
    if (Array.isArray(value)) for (const [i, item] of value.entries()) visit(item, path, [...at, i])
    else if (isObject(value)) for (const [name, inner] of Object.entries(value)) visit(inner, `${path}.${name}`, at)
    else if (value !== null && searchable.some(pattern => matchesPattern(pattern, path))) {
      const text = String(value)
      for (const token of tokenize(text)) {
        if (!marks.has(token.word)) continue
        const match: Doc = {
          start: bytes(text.slice(0, token.start)),
          length: bytes(text.slice(token.start, markedEnd(token, marks))),
        }
        if (at.length > 0) match.indices = at
        found[path] = [...(found[path] ?? []), match]
      }
    }
  }
  for (const [name, value] of Object.entries(doc)) visit(value, name, [])
  return found
}
