/** Takes a search query apart: words, phrases and what must not appear. */
import { isHard, type Token, tokenize } from './tokens.ts'

/** A word or phrase looked for; `position` is its place in the query. In a phrase, null stands for a stop word. */
export type QueryTerm =
  | { kind: 'word'; word: string; isPrefix: boolean; position: number; end: number }
  | { kind: 'phrase'; words: (string | null)[]; position: number; end: number }

export type Query = { terms: QueryTerm[]; notWords: string[]; notPhrases: (string | null)[][] }

const MAX_TERMS = 10
const MAX_TOKENS = 1000

/** Parses `text`; a stop word is skipped unless it is the last word, only the last word is a prefix. */
export function parseQuery(text: string, isStopWord: (word: string) => boolean, prefixSearch: boolean): Query {
  const query: Query = { terms: [], notWords: [], notPhrases: [] }
  const tokens = tokenize(text).slice(0, MAX_TOKENS)
  let phrase: { words: (string | null)[]; position: number; end: number } | undefined
  let negative = false
  const close = (): void => {
    if (phrase?.words.some(word => word !== null)) {
      if (negative) query.notPhrases.push(phrase.words)
      else if (query.terms.length < MAX_TERMS) query.terms.push({ kind: 'phrase', ...phrase })
    }
    phrase = undefined
  }
  let end = 0
  let position = -1
  const separator = (part: string, next: Token | undefined): void => {
    if (end > 0 && isHard(part)) {
      position += 7
      if (phrase) {
        const reopened = { words: [], position: 0, end: 0 }
        close()
        phrase = reopened
      }
    }
    let quotes = part.split('"').length - 1
    if (phrase && quotes > 0) {
      close()
      quotes--
      negative = false
    }
    const opens = quotes % 2 === 1
    const dash = opens ? part.slice(0, part.lastIndexOf('"')) : part
    if (!phrase) negative = next !== undefined && (end === 0 ? /(^|\s)-$/ : /\s-$/).test(dash)
    if (opens) phrase = { words: [], position: 0, end: 0 }
  }
  tokens.forEach((token, i) => {
    separator(text.slice(end, token.start), token)
    end = token.end
    position++
    const stop = isStopWord(token.word)
    const last = i === tokens.length - 1 && end === text.length
    if (phrase) {
      if (phrase.words.length === 0) phrase.position = position
      phrase.end = position
      phrase.words.push(stop ? null : token.word)
    } else if (negative) {
      query.notWords.push(token.word)
      negative = false
    } else if ((last || !stop) && query.terms.length < MAX_TERMS) {
      query.terms.push({ kind: 'word', word: token.word, isPrefix: last && prefixSearch, position, end: position })
    }
  })
  separator(text.slice(end), undefined)
  close()
  return query
}
