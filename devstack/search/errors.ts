/** The errors of Meilisearch's API that this server gives: code, HTTP status and type. */

type Kind = 'invalid_request' | 'auth' | 'internal' | 'system'

const table = {
  api_key_not_found: [404, 'invalid_request'],
  bad_request: [400, 'invalid_request'],
  document_not_found: [404, 'invalid_request'],
  feature_not_enabled: [400, 'invalid_request'],
  immutable_api_key_key: [400, 'invalid_request'],
  immutable_api_key_uid: [400, 'invalid_request'],
  index_already_exists: [409, 'invalid_request'],
  index_not_found: [404, 'invalid_request'],
  index_primary_key_already_exists: [400, 'invalid_request'],
  index_primary_key_multiple_candidates_found: [400, 'invalid_request'],
  index_primary_key_no_candidate_found: [400, 'invalid_request'],
  internal: [500, 'internal'],
  invalid_api_key: [403, 'auth'],
  invalid_api_key_actions: [400, 'invalid_request'],
  invalid_api_key_expires_at: [400, 'invalid_request'],
  invalid_api_key_indexes: [400, 'invalid_request'],
  invalid_content_type: [415, 'invalid_request'],
  invalid_document_fields: [400, 'invalid_request'],
  invalid_document_filter: [400, 'invalid_request'],
  invalid_document_geo_field: [400, 'invalid_request'],
  invalid_document_id: [400, 'invalid_request'],
  invalid_document_limit: [400, 'invalid_request'],
  invalid_document_offset: [400, 'invalid_request'],
  invalid_document_sort: [400, 'invalid_request'],
  invalid_facet_search_facet_name: [400, 'invalid_request'],
  invalid_facet_search_facet_query: [400, 'invalid_request'],
  invalid_index_limit: [400, 'invalid_request'],
  invalid_index_offset: [400, 'invalid_request'],
  invalid_index_primary_key: [400, 'invalid_request'],
  invalid_index_uid: [400, 'invalid_request'],
  invalid_multi_search_federation: [400, 'invalid_request'],
  invalid_multi_search_queries: [400, 'invalid_request'],
  invalid_multi_search_query_pagination: [400, 'invalid_request'],
  invalid_search_attributes_to_crop: [400, 'invalid_request'],
  invalid_search_attributes_to_highlight: [400, 'invalid_request'],
  invalid_search_attributes_to_retrieve: [400, 'invalid_request'],
  invalid_search_attributes_to_search_on: [400, 'invalid_request'],
  invalid_search_crop_length: [400, 'invalid_request'],
  invalid_search_crop_marker: [400, 'invalid_request'],
  invalid_search_distinct: [400, 'invalid_request'],
  invalid_search_facets: [400, 'invalid_request'],
  invalid_search_filter: [400, 'invalid_request'],
  invalid_search_highlight_post_tag: [400, 'invalid_request'],
  invalid_search_highlight_pre_tag: [400, 'invalid_request'],
  invalid_search_hits_per_page: [400, 'invalid_request'],
  invalid_search_limit: [400, 'invalid_request'],
  invalid_search_matching_strategy: [400, 'invalid_request'],
  invalid_search_offset: [400, 'invalid_request'],
  invalid_search_page: [400, 'invalid_request'],
  invalid_search_q: [400, 'invalid_request'],
  invalid_search_ranking_score_threshold: [400, 'invalid_request'],
  invalid_search_show_matches_position: [400, 'invalid_request'],
  invalid_search_show_ranking_score: [400, 'invalid_request'],
  invalid_search_sort: [400, 'invalid_request'],
  invalid_settings_displayed_attributes: [400, 'invalid_request'],
  invalid_settings_faceting: [400, 'invalid_request'],
  invalid_settings_filterable_attributes: [400, 'invalid_request'],
  invalid_settings_pagination: [400, 'invalid_request'],
  invalid_settings_ranking_rules: [400, 'invalid_request'],
  invalid_settings_searchable_attributes: [400, 'invalid_request'],
  invalid_settings_sortable_attributes: [400, 'invalid_request'],
  invalid_settings_stop_words: [400, 'invalid_request'],
  invalid_settings_synonyms: [400, 'invalid_request'],
  invalid_settings_typo_tolerance: [400, 'invalid_request'],
  invalid_swap_duplicate_index_found: [400, 'invalid_request'],
  invalid_swap_indexes: [400, 'invalid_request'],
  invalid_task_statuses: [400, 'invalid_request'],
  invalid_task_types: [400, 'invalid_request'],
  invalid_task_uids: [400, 'invalid_request'],
  invalid_task_limit: [400, 'invalid_request'],
  invalid_task_from: [400, 'invalid_request'],
  malformed_payload: [400, 'invalid_request'],
  missing_authorization_header: [401, 'auth'],
  missing_content_type: [415, 'invalid_request'],
  missing_api_key_actions: [400, 'invalid_request'],
  missing_api_key_expires_at: [400, 'invalid_request'],
  missing_api_key_indexes: [400, 'invalid_request'],
  missing_document_filter: [400, 'invalid_request'],
  missing_document_id: [400, 'invalid_request'],
  missing_facet_search_facet_name: [400, 'invalid_request'],
  missing_index_uid: [400, 'invalid_request'],
  missing_payload: [400, 'invalid_request'],
  missing_swap_indexes: [400, 'invalid_request'],
  missing_task_filters: [400, 'invalid_request'],
  not_found: [404, 'invalid_request'],
  payload_too_large: [413, 'invalid_request'],
  task_not_found: [404, 'invalid_request'],
  too_many_search_requests: [503, 'system'],
} as const satisfies Record<string, readonly [number, Kind]>

export type Code = keyof typeof table

/** What a failed call or task answers. */
export type ErrorBody = { message: string; code: string; type: string; link: string }

export class ApiError extends Error {
  readonly code: Code

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get status(): number {
    return table[this.code][0]
  }

  /** The JSON form, as in the answer of a call and in a failed task. */
  body(): ErrorBody {
    const link = `https://docs.meilisearch.com/errors#${this.code}`
    return { message: this.message, code: this.code, type: table[this.code][1], link }
  }
}

export const indexNotFound = (uid: string): ApiError => new ApiError('index_not_found', `Index \`${uid}\` not found.`)

/** Wraps whatever was thrown into an error that can be answered; keeps the cause. */
export const asApiError = (thrown: unknown): ApiError =>
  thrown instanceof ApiError
    ? thrown
    : new ApiError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
