/** Header blocks of requests, as HPACK (RFC 7541): the first request spells its fields out, later ones name their place in the table. */

/**
 * Encodes the headers of requests to a path, with fields that all requests have.
 * Throws RangeError when they do not fit the table that every peer takes.
 */
export function headerBlocks(common: readonly (readonly [name: string, value: string])[]): (path: string) => Buffer {
  const methodPost = 0x83
  const schemeHttp = 0x86
  const firstDynamic = 62
  const tableBytes = 4096
  const table: string[] = []
  const blocks = new Map<string, Buffer>()
  let size = 0

  const field = (name: string, value: string): Buffer => {
    const entry = `${name}: ${value}`
    const known = table.indexOf(entry)
    // The newest entry has the lowest number (section 2.3.2).
    if (known >= 0) return integer(0x80, 7, firstDynamic + table.length - 1 - known)
    size += name.length + value.length + 32
    if (size > tableBytes) throw new RangeError('the token is too long')
    table.push(entry)
    blocks.clear()
    return Buffer.concat([Buffer.of(0x40), text(name), text(value)])
  }
  return path => {
    const known = blocks.get(path)
    if (known !== undefined) return known
    const before = table.length
    const parts = [[':path', path] as const, ...common].map(([name, value]) => field(name, value))
    const block = Buffer.concat([Buffer.of(methodPost, schemeHttp), ...parts])
    if (table.length === before) blocks.set(path, block)
    return block
  }
}

const text = (value: string): Buffer => Buffer.concat([integer(0, 7, value.length), Buffer.from(value, 'latin1')])

/** A number with a prefix of `bits` bits (section 5.1). */
function integer(head: number, bits: number, value: number): Buffer {
  const most = 2 ** bits - 1
  if (value < most) return Buffer.of(head | value)
  const bytes = [head | most]
  let left = value - most
  for (; left >= 128; left >>= 7) bytes.push((left & 127) | 128)
  return Buffer.of(...bytes, left)
}
