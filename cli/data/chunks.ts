/** Chunks of an import: always cut in the same places, so that an import that is begun again sends the same ones. */

/** Bytes of a chunk of lines. */
const chunkBytes = 1024 * 1024
/** Rows of a chunk of an import: what one atomic batch takes. */
const chunkRows = 998
/** Characters of such a chunk; a message may have 8 MiB. */
const chunkLength = 2 * 1024 * 1024

export type Chunk = {
  /** Bytes of lines, or rows as JSON. */
  readonly content: Buffer | readonly string[]
  /** What is done when it is written, in the unit of the source. */
  readonly weight: number
}

/** Bytes as they come, in chunks of one size. */
export async function* byteChunks(source: AsyncIterable<Uint8Array | string>): AsyncGenerator<Chunk> {
  let parts: Buffer[] = []
  let length = 0
  for await (const piece of source) {
    let bytes = Buffer.from(piece)
    while (length + bytes.length >= chunkBytes) {
      const rest = chunkBytes - length
      yield { content: Buffer.concat([...parts, bytes.subarray(0, rest)]), weight: chunkBytes }
      bytes = bytes.subarray(rest)
      parts = []
      length = 0
    }
    if (bytes.length > 0) parts.push(bytes)
    length += bytes.length
  }
  if (length > 0) yield { content: Buffer.concat(parts), weight: length }
}

/** Rows as JSON texts, in chunks that one batch takes; `weighed` tells what a row weighs. */
export async function* rowChunks(rows: AsyncIterable<string>, weighed: (row: string) => number): AsyncGenerator<Chunk> {
  let chunk: string[] = []
  let length = 0
  let weight = 0
  for await (const row of rows) {
    if (chunk.length === chunkRows || (chunk.length > 0 && length + row.length > chunkLength)) {
      yield { content: chunk, weight }
      chunk = []
      length = 0
      weight = 0
    }
    chunk.push(row)
    length += row.length
    weight += weighed(row)
  }
  if (chunk.length > 0) yield { content: chunk, weight }
}

/** Rows as JSON texts, as lines of bytes. */
export async function* lineChunks(rows: AsyncIterable<string>): AsyncGenerator<Chunk> {
  let lines: string[] = []
  let length = 0
  for await (const row of rows) {
    lines.push(row)
    length += row.length
    if (length < chunkBytes) continue
    yield { content: Buffer.from(`${lines.join('\n')}\n`), weight: lines.length }
    lines = []
    length = 0
  }
  if (lines.length > 0) yield { content: Buffer.from(`${lines.join('\n')}\n`), weight: lines.length }
}

/** Lines of UTF-8 that hold something, without what ends them. Throws for bytes that are no UTF-8. */
export async function* linesOf(source: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const piece of source) {
    const lines = (rest + (typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true }))).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield line
  }
  rest += decoder.decode()
  if (rest.trim() !== '') yield rest
}
