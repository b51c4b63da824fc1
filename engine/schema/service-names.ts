/** Protobuf names of a Table's own service: pure functions of namespace and name, different for different Tables. */

/** `a-b` → `a_b`. Segments that are no identifiers on their own get a `z`, and so does what would look like them. */
function snake(name: string): string {
  const escaped = (segment: string, index: number) =>
    /^z*$/.test(segment) || (index === 0 && /^z*\d/.test(segment)) ? `z${segment}` : segment
  return name.split('-').map(escaped).join('_')
}

/** `box-office` → `BoxOffice`; `top-10` → `TopZ10`, because `Top10` is `top10`. */
function pascal(name: string): string {
  const escaped = (segment: string, index: number) => (index > 0 && /^z*\d/.test(segment) ? `z${segment}` : segment)
  return name
    .split('-')
    .map(escaped)
    .map(segment => segment.charAt(0).toUpperCase() + segment.slice(1))
    .join('')
}

export type TableNames = {
  /** Such as `blasty.tables.cinema.v1`. */
  readonly package: string
  /** Path of the proto file, such as `blasty/tables/cinema/v1/films.proto`. */
  readonly path: string
  /** What every message's name begins with, such as `Films`. */
  readonly prefix: string
  /** Full name of the service, such as `blasty.tables.cinema.v1.FilmsService`. */
  readonly service: string
}

/** The names for a Table. Namespace and name have passed admission: lower-case letters, digits and inner dashes. */
export function tableNames(namespace: string, table: string): TableNames {
  const prefix = pascal(table)
  const inPackage = `blasty.tables.${snake(namespace)}.v1`
  return {
    package: inPackage,
    path: `${inPackage.replaceAll('.', '/')}/${table.replaceAll('-', '_')}.proto`,
    prefix,
    service: `${inPackage}.${prefix}Service`,
  }
}
