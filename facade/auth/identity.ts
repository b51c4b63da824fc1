/** Who a caller is taken for. */

/** A user of the cluster, as TokenReview describes it. */
export type Identity = {
  /** User name, such as `system:serviceaccount:cinema:web`. */
  readonly user: string
  readonly groups: readonly string[]
  readonly uid?: string
}

/** The identity of callers of services that ask for none, such as health. It is granted nothing. */
export const anonymous: Identity = { user: 'system:anonymous', groups: ['system:unauthenticated'] }
