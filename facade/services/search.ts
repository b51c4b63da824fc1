/** SearchService. */
import { BlastyError } from '../../base/errors.ts'
import type { SearchService } from '../../proto/gen/blasty/v1/search_service_pb.js'
import type { ServiceImplementation } from '../grpc/context.ts'
import type { Scope } from './scope.ts'

export function searchService(_scope: Scope): ServiceImplementation<typeof SearchService> {
  const refuse = async () => {
    throw new BlastyError('UNSUPPORTED', { what: 'search', instead: 'wait' })
  }
  return { search: refuse, facetSearch: refuse }
}
