/** How far something long has come: a bar on a terminal, a line now and then elsewhere; always on standard error. */

import { Presets, SingleBar } from 'cli-progress'

export type Progress = {
  /** `rows` so far; `done` in the unit of the total. */
  readonly update: (rows: number, done: number) => void
  readonly stop: () => void
}

const reportMillis = 5000
const thousands = (value: number): string => Math.round(value).toLocaleString('en-US')

/** `total` in whatever unit; undefined when nobody knows. Nothing is shown when `quiet`. */
export function startProgress(total: number | undefined, quiet = false): Progress {
  const began = performance.now()
  const rate = (rows: number) => `${thousands((rows * 1000) / Math.max(1, performance.now() - began))} a second`
  if (quiet) return { update: () => {}, stop: () => {} }
  if (!process.stderr.isTTY) {
    let told = began
    const update = (rows: number, done: number) => {
      if (performance.now() - told < reportMillis) return
      told = performance.now()
      const share = total === undefined || total === 0 ? '' : `, ${Math.floor((done * 100) / total)} %`
      process.stderr.write(`${thousands(rows)} rows${share}, ${rate(rows)}\n`)
    }
    return { update, stop: () => {} }
  }
  const format =
    total === undefined ? '{rows} rows | {rate}' : '{bar} {percentage} % | {rows} rows | {rate} | {eta} s left'
  const bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, clearOnComplete: true }, Presets.rect)
  bar.start(total ?? 1, 0, { rows: '0', rate: '' })
  return {
    update: (rows, done) => bar.update(total === undefined ? 0 : done, { rows: thousands(rows), rate: rate(rows) }),
    stop: () => bar.stop(),
  }
}
