/** Names and text as DuckDB takes them. */

/** A name in double quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A string literal; DuckDB's have no escapes but the doubled quote. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Names are equal for DuckDB when they are so after this: ASCII only, unlike `toLowerCase`, which makes a k of the Kelvin sign. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]+/g, letters => letters.toLowerCase())
}
