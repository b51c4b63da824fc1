/** The name of the gRPC service generated for a Table. */

/**
 * Full name, such as `blasty.tables.cinema.v1.FilmsService`. Words are joined in CamelCase, a word that begins with a
 * digit by an underscore, so that no two Tables of a namespace share a name. Both parts are DNS labels.
 */
export function serviceName(namespace: string, table: string): string {
  const segment = namespace.replaceAll('-', '_').replace(/^(?=\d)/, '_')
  const message = table
    .split('-')
    .map(word => (/^\d/.test(word) ? `_${word}` : word.charAt(0).toUpperCase() + word.slice(1)))
    .join('')
  return `blasty.tables.${segment}.v1.${message}Service`
}
