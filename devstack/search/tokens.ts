/** Cuts text into normalised words with the positions that Meilisearch's tokenizer gives them. */

/** `start` and `end` are UTF-16 offsets in the text; `position` counts words, a hard separator counts eight. */
export type Token = { word: string; start: number; end: number; position: number }

/** How far a sentence boundary, or the next element of an array, puts words apart. */
export const HARD_GAP = 8

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters separate words
const asciiWords = /[^\s!-#%-*,-/:;?@[-\]_{}\0-\x1f]+/g
const unicodeWords = /[^\s\p{P}\p{Z}\p{Cc}]+/gu
const hardSeparator = /[!:;?¡§¶¿…،؛؟。、！，．：；？\u061b]|[.,]\s/
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[^\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]+/gu
const hasUnspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
const marks = /\p{Mn}/gu
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what ASCII means
const ascii = /^[\x00-\x7f]*$/

/** Lower case, compatibility forms and accents folded. */
export const normaliseWord = (word: string): string =>
  ascii.test(word) ? word.toLowerCase() : word.normalize('NFKD').replace(marks, '').toLowerCase()

/** True when the text between two words ends a sentence or clause. */
export const isHard = (separator: string): boolean => separator.length > 0 && hardSeparator.test(separator)

/** The words of a text in order. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  const plain = ascii.test(text)
  let position = 0
  let end = -1
  const push = (raw: string, start: number): void => {
    if (end >= 0) position += isHard(text.slice(end, start)) ? HARD_GAP : 1
    end = start + raw.length
    const word = plain ? raw.toLowerCase() : normaliseWord(raw)
    if (word !== '') tokens.push({ word, start, end, position })
  }
  for (const match of text.matchAll(plain ? asciiWords : unicodeWords)) {
    if (plain || !hasUnspaced.test(match[0])) push(match[0], match.index)
    else for (const part of match[0].matchAll(unspaced)) push(part[0], match.index + part.index)
  }
  return tokens
}
