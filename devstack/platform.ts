/** This machine's platform in Go's words. */
import type { Platform } from './programs.ts'

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

export const thisPlatform: Platform = {
  os: process.platform,
  arch: architectures[process.arch] ?? process.arch,
}
