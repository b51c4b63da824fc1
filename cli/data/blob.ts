/** `blob put` and `blob get`: content in, and out by the row and column that name it. */

import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { BlobService } from '../../proto/gen/blasty/v1/blob_service_pb.js'
import { keyJson, tableInfo } from './schema.ts'
import { runSession, type Session, type SessionOptions, withConnection } from './session.ts'
import { minTokenOf, minTokenOption } from './token.ts'

type Uploading = SessionOptions & { readonly type?: string }
type Downloading = SessionOptions & { readonly minToken?: string }

export function addBlobs(program: Command): void {
  const blob = program.command('blob').description('large binary values')
  withConnection(blob.command('put <table> [file]'))
    .description('upload a file, or standard input; prints what a Blob column names it by')
    .option('--type <media-type>', 'such as image/jpeg')
    .action((table: string, file: string | undefined, options: Uploading) =>
      runSession(options, session => upload(session, table, file, options)),
    )
  withConnection(blob.command('get <table> <key> <column> [file]'))
    .description('download what a Blob column of a row names, to a file or to standard output')
    .addOption(minTokenOption())
    .action((table: string, key: string, column: string, file: string | undefined, options: Downloading) =>
      runSession(options, session => download(session, { table, key, column, file }, options)),
    )
}

async function upload(
  { service, table, signal }: Session,
  name: string,
  file: string | undefined,
  { type = '' }: Uploading,
): Promise<void> {
  const source: AsyncIterable<Uint8Array | string> =
    file === undefined || file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 })
  async function* parts() {
    yield { part: { case: 'header' as const, value: { table: table(name), contentType: type } } }
    for await (const piece of source) yield { part: { case: 'chunk' as const, value: Buffer.from(piece) } }
  }
  const { blob } = await service(BlobService).upload(parts(), { signal })
  if (blob === undefined) throw new Error('the upload was answered without a blob')
  const { sha256, size, type: stored } = blob
  process.stdout.write(`${JSON.stringify({ sha256, size: Number(size), type: stored })}\n`)
}

type Wanted = {
  readonly table: string
  readonly key: string
  readonly column: string
  readonly file: string | undefined
}

async function download(session: Session, { table, key, column, file }: Wanted, options: Downloading): Promise<void> {
  const { service, signal } = session
  const info = await tableInfo(session, table)
  const request = { table: session.table(table), keyJson: keyJson(info, key), column, ...minTokenOf(options.minToken) }
  const parts = service(BlobService).download(request, { signal })
  const take = async (out: Writable) => {
    for await (const { part } of parts) {
      if (part.case === 'chunk' && !out.write(part.value)) await once(out, 'drain')
    }
  }
  if (file === undefined) return take(process.stdout)
  const unfinished = `${file}.part`
  try {
    const out = createWriteStream(unfinished)
    await take(out)
    out.end()
    await once(out, 'finish')
    await rename(unfinished, file)
  } finally {
    await rm(unfinished, { force: true })
  }
}
