/** A store that overwrites where it was asked not to, made to keep what was put first: what may be put once is claimed before. */

import type { StoreClaims } from './claims.ts'
import type { ObjectStore } from './store.ts'

/**
 * The store with documents put once (`ifAbsent`) by a claim. A claimed document whose writer died is put by the next who wants to put
 * another there. `claims` is there for what is put too often to be left in the claims for ever, as the versions of a lake are.
 */
export function claimingStore(plain: ObjectStore, claims: StoreClaims): ObjectStore {
  return {
    ...plain,
    claims: { ...claims, plain },
    until: signal => claimingStore(plain.until(signal), claims),
    put: async (bucket, key, body, { ifAbsent = false, ...options } = {}) => {
      if (!ifAbsent) return plain.put(bucket, key, body, options)
      // Also what was put before there were claims stays.
      if ((await plain.head(bucket, key)) !== undefined) return false
      const content = await claims.document(bucket, key, body)
      // On a store that has learnt it meanwhile, the condition holds as well.
      await plain.put(bucket, key, content, { ...options, ifAbsent: true })
      return content.equals(body)
    },
  }
}
