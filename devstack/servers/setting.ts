/** What every server is prepared from. */
import type { ProgramName } from '../programs.ts'

export type Setting = {
  /** Folder for configuration and data. */
  readonly folder: string
  /** Free ports on the loopback address, as many as the server asked for. */
  readonly ports: readonly number[]
  /** Path of a program. */
  readonly program: (name: ProgramName) => string
}
