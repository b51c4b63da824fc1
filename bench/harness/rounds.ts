/** Interleaved rounds: every contender runs once a round, in an order that changes, so that a slow spell hits all alike. */

export type Contender = () => Promise<number>

/**
 * Runs each contender `rounds` times after one round of warm-up, and returns what each returned, by name.
 * @param tell hears of every measurement
 */
export async function interleaved<Name extends string>(
  rounds: number,
  contenders: Readonly<Record<Name, Contender>>,
  tell: (line: string) => void,
): Promise<Readonly<Record<Name, number[]>>> {
  const names = Object.keys(contenders) as Name[]
  const results = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = 0; round <= rounds; round++) {
    const turn = round % names.length
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const value = await contenders[name]()
      tell(`${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}: ${name} ${value.toPrecision(4)}`)
      if (round > 0) results[name].push(value)
    }
  }
  return results
}
