/** The standard health service, grpc.health.v1: what load balancers and probes ask. */

import { EventEmitter, once } from 'node:events'
import { BlastyError } from '../../base/errors.ts'
import type { Health } from '../../proto/gen/grpc/health/v1/health_pb.js'
import { HealthCheckResponse_ServingStatus as ServingStatus } from '../../proto/gen/grpc/health/v1/health_pb.js'
import type { ServiceImplementation } from './context.ts'

/**
 * What is healthy. The server as a whole has the name ''. Services of Tables are left out: this service asks for no
 * credentials, and names of Tables are not for everyone.
 */
export class HealthStatus {
  readonly #serving = new Map<string, boolean>()
  readonly #changes = new EventEmitter().setMaxListeners(0)

  set(service: string, serving: boolean): void {
    if (this.#serving.get(service) === serving) return
    this.#serving.set(service, serving)
    this.#changes.emit('change')
  }

  /** The service to be added, open, to a server. */
  implementation(): ServiceImplementation<typeof Health> {
    const statusOf = (service: string) => servingStatus(this.#serving.get(service))
    const changes = this.#changes
    return {
      check: async ({ service }) => {
        const status = statusOf(service)
        if (status === ServingStatus.SERVICE_UNKNOWN) throw new BlastyError('SERVICE_NOT_FOUND', { service })
        return { status }
      },
      list: async () => {
        const statuses = [...this.#serving].map(([service, serving]) => [service, { status: servingStatus(serving) }])
        return { statuses: Object.fromEntries(statuses) }
      },
      // A slow client is told the latest status only, so nothing piles up.
      async *watch({ service }, { signal }) {
        let told: ServingStatus | undefined
        for (;;) {
          const status = statusOf(service)
          if (status === told) {
            await once(changes, 'change', { signal })
          } else {
            told = status
            yield { status }
          }
        }
      },
    }
  }
}

function servingStatus(serving: boolean | undefined): ServingStatus {
  if (serving === undefined) return ServingStatus.SERVICE_UNKNOWN
  return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING
}
