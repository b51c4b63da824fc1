/** What a comparison finds: how many things were looked at, how many differ, and the first of these in words. */

export type Part = 'lake' | 'log' | 'index' | 'blobs' | 'replica'

export type PartFindings = {
  readonly part: Part
  /** Such as the name of an Index. */
  readonly name: string
  /** Rows, files or blobs that were looked at. */
  readonly compared: number
  readonly differences: number
  /** The first differences, in the order in which they were found. */
  readonly first: readonly string[]
}

/** Differences that are told in words; of the others only the number is kept. */
const maxTold = 20

export class Findings {
  readonly #parts: { part: Part; name: string; compared: number; differences: number; first: string[] }[] = []

  /** Begins with a part; what is said through the answer is of that part. */
  of(part: Part, name = ''): PartReport {
    const findings = { part, name, compared: 0, differences: 0, first: [] as string[] }
    this.#parts.push(findings)
    return {
      compared: (count = 1) => {
        findings.compared += count
      },
      differs: problem => {
        if (findings.differences++ < maxTold) findings.first.push(problem)
      },
    }
  }

  get parts(): readonly PartFindings[] {
    return this.#parts
  }

  get same(): boolean {
    return this.#parts.every(({ differences }) => differences === 0)
  }
}

export type PartReport = {
  readonly compared: (count?: number) => void
  readonly differs: (problem: string) => void
}
