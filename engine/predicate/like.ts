/** LIKE: `%` is any text, `_` any one character (code point), nothing escapes. */

/** A test of one text against the pattern, in time linear in the text but for `%` between pieces. */
export function likeTest(pattern: string): (text: string) => boolean {
  if (pattern.includes('_')) {
    const tokens = [...pattern]
    return text => matches([...text], tokens)
  }
  const [first = '', ...rest] = pattern.split('%')
  const last = rest.pop()
  if (last === undefined) return text => text === pattern
  const middle = rest.filter(piece => piece !== '')
  if (middle.length === 0 && last === '') return text => text.startsWith(first)
  return text => {
    const end = text.length - last.length
    if (!text.startsWith(first) || end < first.length || !text.endsWith(last)) return false
    let from = first.length
    for (const piece of middle) {
      const found = text.indexOf(piece, from)
      if (found < 0) return false
      from = found + piece.length
    }
    return from <= end
  }
}

/** The text that every match starts with, and whether all that starts so matches; undefined for any other pattern. */
export function likePrefix(pattern: string): { prefix: string; open: boolean } | undefined {
  const prefix = pattern.replace(/%+$/, '')
  return /[%_]/.test(prefix) ? undefined : { prefix, open: prefix !== pattern }
}

/** Goes back to the last `%` on a mismatch and lets it take one character more. */
function matches(text: readonly string[], pattern: readonly string[]): boolean {
  let t = 0
  let p = 0
  let star = -1
  let resume = 0
  while (t < text.length) {
    if (pattern[p] === '%') {
      star = p
      p += 1
      resume = t
    } else if (p < pattern.length && (pattern[p] === '_' || pattern[p] === text[t])) {
      p += 1
      t += 1
    } else if (star >= 0) {
      p = star + 1
      resume += 1
      t = resume
    } else return false
  }
  while (pattern[p] === '%') p += 1
  return p === pattern.length
}
