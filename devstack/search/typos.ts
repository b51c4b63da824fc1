/** Which words of the vocabulary a query word may stand for. */

/** A word of the vocabulary and how many typos away it is. */
export type Derivation = { word: string; typos: number }

const MAX_ONE_TYPO = 150
const MAX_TWO_TYPOS = 50

/**
 * Edits (insert, delete, replace, swap neighbours) between two words, or more than `max`.
 * With `isPrefix` the least over all beginnings of `word`.
 */
export function editDistance(query: string, word: string, max: number, isPrefix: boolean): number {
  const m = query.length
  const n = isPrefix ? Math.min(word.length, m + max) : word.length
  if (m - n > max || (!isPrefix && n - m > max)) return max + 1
  let before: number[] = []
  let above = Array.from({ length: n + 1 }, (_, j) => j)
  for (let i = 1; i <= m; i++) {
    const row = [i]
    let least = i
    for (let j = 1; j <= n; j++) {
      const same = query[i - 1] === word[j - 1]
      let cost = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && query[i - 1] === word[j - 2] && query[i - 2] === word[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      }
      row.push(cost)
      if (cost < least) least = cost
    }
    if (least > max) return max + 1
    before = above
    above = row
  }
  return isPrefix ? Math.min(...above) : (above[n] ?? max + 1)
}

/** The first place in sorted `words` that is not below `word`. */
export function lowerBound(words: readonly string[], word: string): number {
  let low = 0
  let high = words.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((words[middle] ?? '') < word) low = middle + 1
    else high = middle
  }
  return low
}

/** Words that begin with `prefix`, in order. */
export function* withPrefix(words: readonly string[], prefix: string): Generator<string> {
  for (let i = lowerBound(words, prefix); i < words.length; i++) {
    const word = words[i] ?? ''
    if (!word.startsWith(prefix)) return
    yield word
  }
}

/** One edit away although the first letter differs. */
function otherFirstLetter(query: string, word: string, isPrefix: boolean): boolean {
  const fits = (tail: string, from: number): boolean =>
    word.startsWith(tail, from) && (isPrefix || word.length === from + tail.length)
  const tail = query.slice(1)
  return (
    fits(tail, 1) ||
    fits(tail, 0) ||
    fits(query, 1) ||
    (query.length > 1 && fits(`${query[1]}${query[0]}${query.slice(2)}`, 0))
  )
}

/** All words that `query` may stand for: itself, words it begins when a prefix, words up to `maxTypos` away. */
export function derive(words: readonly string[], query: string, isPrefix: boolean, maxTypos: number): Derivation[] {
  const found: Derivation[] = []
  if (isPrefix) for (const word of withPrefix(words, query)) found.push({ word, typos: 0 })
  else if (words[lowerBound(words, query)] === query) found.push({ word: query, typos: 0 })
  if (maxTypos === 0 || query === '') return found
  const first = query[0] ?? ''
  const counts = [0, 0, 0]
  const add = (word: string, typos: number): void => {
    const limit = typos === 1 ? MAX_ONE_TYPO : MAX_TWO_TYPOS
    if ((counts[typos] ?? 0) >= limit) return
    counts[typos] = (counts[typos] ?? 0) + 1
    found.push({ word, typos })
  }
  if (maxTypos === 1) {
    for (const word of withPrefix(words, first)) if (editDistance(query, word, 1, isPrefix) === 1) add(word, 1)
    return found
  }
  for (const word of words) {
    if (word[0] !== first) {
      if (otherFirstLetter(query, word, isPrefix)) add(word, 2)
      continue
    }
    const typos = editDistance(query, word, 2, isPrefix)
    if (typos === 1 || typos === 2) add(word, typos)
  }
  return found
}
