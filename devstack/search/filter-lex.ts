/** Cuts a filter expression into words, quoted texts and symbols. */
import type { ApiError } from './errors.ts'

/** `start` and `end` are offsets in the expression; a quoted text comes without quotes and escapes. */
export type Lexeme = { kind: 'word' | 'quoted' | 'symbol' | 'end'; text: string; start: number; end: number }

const lexemes = /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([\p{L}\p{N}_\-/.*]+)|(!=|>=|<=|[=<>()[\],])|(\S))/uy

/** Cuts `input`; what `fail` makes is thrown where no lexeme stands. The last one is the end. */
export function lex(input: string, fail: (message: string, start: number, end: number) => ApiError): Lexeme[] {
  const found: Lexeme[] = []
  lexemes.lastIndex = 0
  for (let match = lexemes.exec(input); match; match = lexemes.exec(input)) {
    const [whole, quoted, word, symbol, other] = match
    const end = match.index + whole.length
    const start = end - (quoted ?? word ?? symbol ?? other ?? '').length
    if (other !== undefined) {
      if (other === '"' || other === "'")
        throw fail(
          `Expression \`${input.slice(start)}\` is missing the following closing delimiter: \`${other}\`.`,
          start,
          input.length,
        )
      throw fail(`Was expecting a value but instead got \`${other}\`.`, start, end)
    }
    if (quoted !== undefined)
      found.push({ kind: 'quoted', text: quoted.slice(1, -1).replace(/\\(.)/gs, '$1'), start, end })
    else if (word !== undefined) found.push({ kind: 'word', text: word, start, end })
    else found.push({ kind: 'symbol', text: symbol ?? '', start, end })
  }
  found.push({ kind: 'end', text: '', start: input.length, end: input.length })
  return found
}
