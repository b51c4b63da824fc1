/** Finding a Java that is new enough among those installed. */
import { readdir, readFile, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DevConfig } from '../config.ts'
import { findOnPath, isExecutable } from '../find.ts'

/** Where packages and version managers put their Javas, and what leads from an entry there to its home. */
const usualPlaces: readonly (readonly [folder: string, home: string])[] = [
  ['/usr/lib/jvm', '.'],
  ['/opt', '.'],
  [join(homedir(), '.sdkman', 'candidates', 'java'), '.'],
  ['/Library/Java/JavaVirtualMachines', 'Contents/Home'],
]

/**
 * Path of the `java` of the first installation with at least `major` as its first version number, in the order: homes
 * that the environment names, PATH, the usual places. Undefined when there is none. No Java is run to find out.
 */
export async function findJava(
  major: number,
  config: Pick<DevConfig, 'path' | 'javaHomes'>,
): Promise<string | undefined> {
  const onPath = await findOnPath('java', config.path)
  const homes = [
    ...config.javaHomes,
    ...(onPath === undefined ? [] : [dirname(dirname(await realpath(onPath)))]),
    ...(await usualHomes()),
  ]
  for (const home of homes) {
    const java = join(home, 'bin', 'java')
    if ((await majorVersion(home)) >= major && (await isExecutable(java))) return java
  }
  return undefined
}

async function usualHomes(): Promise<string[]> {
  const homes: string[] = []
  for (const [folder, home] of usualPlaces) {
    const names = await readdir(folder).catch(whenMissing<string[]>([]))
    homes.push(...names.sort().map(name => join(folder, name, home)))
  }
  return homes
}

/** What the installation says of itself in its `release` file; 0 when it says nothing. */
async function majorVersion(home: string): Promise<number> {
  const release = await readFile(join(home, 'release'), 'utf8').catch(whenMissing(''))
  return Number(/^JAVA_VERSION="(\d+)/m.exec(release)?.[1] ?? 0)
}

/** For `catch`: what is not there, is no folder or may not be read counts as `value`. */
function whenMissing<T>(value: T): (error: unknown) => T {
  return error => {
    if (error instanceof Error && 'code' in error) return value
    throw error
  }
}
