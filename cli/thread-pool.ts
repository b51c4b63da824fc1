/** The threads on which Node's native parts work: SQL, files, LMDB, names. Imported before anything that uses one. */

/** Statements of SQL hold a thread each while they run, up to a minute; as many as this may, and enough are left. */
export const sqlStatements = 8

// libuv reads it once, when the first thread is wanted.
process.env.UV_THREADPOOL_SIZE ??= String(sqlStatements + 16)
