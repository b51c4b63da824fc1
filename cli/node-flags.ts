/** Flags of Node itself: they come before any program, so whoever starts a role gives them, as the chart and the development servers do. */

/** MiB of the youngest garbage of a facade. */
const facadeSemiSpace = 16

/**
 * A collection of the youngest garbage stops the process for as long as what is left takes to copy, and of each call some is left
 * (docs/decisions/0035): Node's 64 MiB are many calls and few, long stops.
 */
export function nodeFlagsOf(role: string): readonly string[] {
  return role === 'facade' ? [`--max-semi-space-size=${facadeSemiSpace}`] : []
}
