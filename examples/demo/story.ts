/** What the demo prints: numbered steps with their times, lines of text, small tables, progress. */
import { Presets, SingleBar } from 'cli-progress'
import CliTable from 'cli-table3'

export type Cell = string | number | bigint | boolean | null | undefined

/** How far something long is. */
export type Progress = {
  update(done: number): void
  stop(): void
}

const plainReportMilliseconds = 5_000
const dim = (text: string): string => `\u001b[2m${text}\u001b[22m`
const bold = (text: string): string => `\u001b[1m${text}\u001b[22m`
const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(1)} s`

/** A whole number with its thousands apart. */
export const thousands = (value: number | bigint): string => value.toLocaleString('en-US')

/** Writes to `out`; with colours and a moving bar only when that is a terminal. */
export class Story {
  readonly #out: NodeJS.WriteStream
  readonly #began = performance.now()
  readonly #times: { readonly title: string; readonly milliseconds: number }[] = []
  #steps = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  /** A line of text, indented below its step. */
  say(text: string): void {
    this.#write(text.replace(/^(?=.)/gm, '   '))
  }

  /** Runs one step below a numbered heading and tells how long it took. Errors are thrown with the heading before them. */
  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.#steps += 1
    this.#write(`\n${this.#style(bold, `${this.#steps}. ${title}`)}`)
    const began = performance.now()
    const result = await work().catch((error: unknown) => {
      throw new Error(`${title}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    })
    const milliseconds = performance.now() - began
    this.#times.push({ title, milliseconds })
    this.say(this.#style(dim, `(${seconds(milliseconds)})`))
    return result
  }

  /** A table with a line of headings; numbers stand on the right. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const isNumber = (column: number): boolean =>
      rows.some(row => row[column] !== null) && rows.every(row => /^(-?[\d.,]+( km)?)?$/.test(text(row[column])))
    const table = new CliTable({
      head: [...head],
      colAligns: head.map((_, column) => (isNumber(column) ? 'right' : 'left')),
      style: { head: [], border: this.#out.isTTY ? ['gray'] : [], compact: true },
    })
    table.push(...rows.map(row => row.map(text)))
    this.say(table.toString())
  }

  /** A bar on a terminal, a line every few seconds elsewhere. */
  progress(total: number, unit: string): Progress {
    const began = performance.now()
    const rate = (done: number): string => thousands(Math.round((done / (performance.now() - began)) * 1_000))
    if (!this.#out.isTTY) {
      let told = began
      const update = (done: number): void => {
        if (performance.now() - told < plainReportMilliseconds) return
        told = performance.now()
        this.say(`${thousands(done)} of ${thousands(total)} ${unit}, ${rate(done)} a second`)
      }
      return { update, stop: () => {} }
    }
    const format = `   {bar} {percentage} % | {done} of {all} ${unit} | {rate} a second | {eta} s left`
    const bar = new SingleBar({ format, stream: this.#out, hideCursor: true, clearOnComplete: true }, Presets.rect)
    bar.start(total, 0, { done: '0', all: thousands(total), rate: '0' })
    return {
      update: done => bar.update(done, { done: thousands(done), rate: rate(done) }),
      stop: () => bar.stop(),
    }
  }

  /** Where the time went. */
  times(): void {
    const total = performance.now() - this.#began
    this.#write(`\n${this.#style(bold, `Done in ${seconds(total)}`)}`)
    this.table(
      ['step', 'seconds'],
      this.#times.map(({ title, milliseconds }) => [title, (milliseconds / 1_000).toFixed(1)]),
    )
  }

  /** A heading without number, such as what comes after the steps. */
  heading(title: string): void {
    this.#write(`\n${this.#style(bold, title)}`)
  }

  /** A line as it is. */
  line(text: string): void {
    this.#write(text)
  }

  #style(style: (text: string) => string, text: string): string {
    return this.#out.isTTY ? style(text) : text
  }

  #write(text: string): void {
    this.#out.write(`${text}\n`)
  }
}

const text = (cell: Cell): string => (cell === null || cell === undefined ? '' : String(cell))
