/** Lines out of a stream that may stop talking at any moment. */
import type { Cancel, Clock } from './clock.ts'

/** Longer lines end the stream: no object of the API comes near it (etcd takes 1.5 MiB). */
const maxLineBytes = 16 * 1024 * 1024

/** Splits UTF-8 bytes at newlines, calling `heard` for each chunk. A last line without newline is cut off: not yielded. */
export async function* readLines(body: AsyncIterable<Uint8Array>, heard: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    heard()
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLineBytes) throw new Error(`a line of more than ${maxLineBytes} bytes`)
    for (const line of lines) if (line !== '') yield line
  }
  if (rest !== '') throw new Error('the stream ended in the middle of a line')
}

export interface SilenceLimit {
  /** Aborts after too long a silence, or with the signal given. */
  readonly signal: AbortSignal
  /** Something came: the next silence may last `ms`. */
  heard(ms: number): void
  wasSilent(): boolean
  end(): void
}

/** A half-open connection never fails by itself; this makes it. */
export function withSilenceLimit(clock: Clock, firstMs: number, parent: AbortSignal): SilenceLimit {
  const abort = new AbortController()
  let silent = false
  let cancel: Cancel = () => {}
  const stop = () => abort.abort(parent.reason)
  const heard = (ms: number) => {
    cancel()
    cancel = clock.after(ms, () => {
      silent = true
      abort.abort(new Error(`nothing heard for ${ms} ms`))
    })
  }
  if (parent.aborted) stop()
  parent.addEventListener('abort', stop)
  heard(firstMs)
  return {
    signal: abort.signal,
    heard,
    wasSilent: () => silent,
    end: () => {
      cancel()
      parent.removeEventListener('abort', stop)
      abort.abort(new Error('ended'))
    },
  }
}
