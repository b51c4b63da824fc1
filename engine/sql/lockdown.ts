/** The settings that close a DuckDB instance to everything outside it. */

/**
 * Run in order on a fresh instance, after its own settings (memory, threads): no files, no network, no extensions, UTC as the
 * time zone that the predicate and its JavaScript form agree on, and nothing of it to be changed afterwards.
 */
export const lockdownStatements: readonly string[] = [
  'SET GLOBAL autoinstall_known_extensions = false',
  'SET GLOBAL autoload_known_extensions = false',
  'SET GLOBAL allow_community_extensions = false',
  'SET GLOBAL allow_persistent_secrets = false',
  "SET GLOBAL TimeZone = 'UTC'",
  "SET GLOBAL Calendar = 'gregorian'",
  'SET GLOBAL enable_external_access = false',
  'SET GLOBAL lock_configuration = true',
]
