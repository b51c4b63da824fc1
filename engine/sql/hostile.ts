/** Statements that the guard must refuse, by the code that it answers with; for its tests. */

import type { ErrorCode } from '../../base/errors.ts'

/** One statement a line. */
export const hostile: Readonly<Partial<Record<ErrorCode, string>>> = {
  INVALID_SQL: `
    ATTACH 'x.db'
    ATTACH ':memory:' AS other
    DETACH memory
    COPY films TO 'out.parquet'
    COPY (SELECT * FROM films) TO '/tmp/x.csv'
    COPY films FROM '/etc/passwd'
    EXPORT DATABASE '/tmp/x'
    IMPORT DATABASE '/tmp/x'
    INSTALL httpfs
    LOAD httpfs
    FORCE INSTALL spatial FROM community
    PRAGMA database_list
    PRAGMA enable_profiling
    PRAGMA memory_limit='1TB'
    SET memory_limit='1TB'
    SET enable_external_access=true
    SET GLOBAL lock_configuration=false
    SET VARIABLE x = 1
    RESET lock_configuration
    RESET ALL
    USE memory
    CREATE TABLE x AS SELECT 1
    CREATE OR REPLACE TABLE films AS SELECT 1
    CREATE TEMP TABLE x (i INT)
    CREATE VIEW v AS SELECT 1
    CREATE TEMP MACRO abs(x) AS 1
    CREATE MACRO f(x) AS TABLE SELECT * FROM query(x)
    CREATE SCHEMA s
    CREATE SEQUENCE s
    CREATE TYPE t AS ENUM ('a')
    CREATE INDEX i ON films (id)
    CREATE SECRET (TYPE S3)
    DROP TABLE films
    DROP SECRET s
    ALTER TABLE films ADD COLUMN x INT
    ALTER TABLE films RENAME TO movies
    INSERT INTO films VALUES (1)
    INSERT INTO films SELECT * FROM films RETURNING *
    UPDATE films SET id = 1
    DELETE FROM films
    TRUNCATE films
    MERGE INTO films USING films f ON true WHEN MATCHED THEN DELETE
    WITH x AS (INSERT INTO films VALUES (1) RETURNING *) SELECT * FROM x
    WITH x AS (DELETE FROM films RETURNING *) SELECT * FROM x
    BEGIN
    COMMIT
    ROLLBACK
    CHECKPOINT
    FORCE CHECKPOINT
    VACUUM
    VACUUM ANALYZE films
    ANALYZE
    CALL pragma_version()
    CALL duckdb_settings()
    CALL force_checkpoint()
    PREPARE p AS SELECT * FROM films
    EXECUTE p
    EXECUTE p('x')
    DEALLOCATE p
    EXPLAIN SELECT * FROM films
    EXPLAIN ANALYZE SELECT * FROM films
    COMMENT ON TABLE films IS 'x'
    PIVOT films ON region USING count(*)
    SELECT * FROM (PIVOT films ON region USING count(*))
    SELECT 1; SELECT 2
    SELECT 1; DROP TABLE films
    SELECT 1;;SELECT 2
    SELECT 1 /* ; */; DROP TABLE films --
    DROP TABLE films; SELECT 1
    ;
    -- nothing
    /* nothing */
    /* never closed SELECT 1
    SELECT
    SELECT * FROM
    SELECT 'open
    SELECT "open
    SELECT $$open
    SELECT 1)
    SELEC 1
    SELECT 1 INTO films
    SELECT * FROM films FOR UPDATE OF films INTO x
    SELECT 1e400
    SELECT * FROM main.films
    SELECT * FROM memory.films
    SELECT * FROM memory.main.films
    SELECT * FROM "memory"."main"."films"
    SELECT * FROM temp.films
    SELECT * FROM temp.information_schema.tables
    SELECT * FROM information_schema.tables
    SELECT * FROM InFormation_Schema.columns
    SELECT * FROM pg_catalog.pg_class
    SELECT * FROM system.main.duckdb_tables
    SELECT * FROM system.information_schema.tables
    SELECT * FROM f.csv
    SELECT * FROM films UNION SELECT * FROM information_schema.tables
    SELECT (SELECT count(*) FROM pg_catalog.pg_tables)
    SELECT * FROM films WHERE EXISTS (SELECT 1 FROM main.secret)
    WITH x AS (SELECT * FROM main.secret) SELECT * FROM x
    SELECT * FROM films, LATERAL (SELECT * FROM main.secret) s
    SELECT * FROM films JOIN main.secret ON true
    SELECT * FROM duckdb_settings()
    SELECT * FROM duckdb_tables()
    SELECT * FROM DUCKDB_SECRETS()
    SELECT * FROM duckdb_views()
    SELECT * FROM duckdb_functions()
    SELECT * FROM duckdb_extensions()
    SELECT * FROM duckdb_variables()
    SELECT * FROM duckdb_logs()
    SELECT * FROM duckdb_prepared_statements()
    SELECT * FROM duckdb_temporary_files()
    SELECT * FROM duckdb_external_file_cache()
    SELECT * FROM pragma_version()
    SELECT * FROM pragma_table_info('films')
    SELECT * FROM pragma_storage_info('films')
    SELECT * FROM pragma_database_size()
    SELECT * FROM pragma_show('films')
    SELECT * FROM read_csv('/etc/passwd')
    SELECT * FROM READ_CSV_AUTO('/etc/passwd')
    SELECT * FROM "read_csv"('/etc/passwd')
    SELECT * FROM /**/ read_text /**/ ('/etc/passwd')
    SELECT * FROM read_blob('/etc/passwd')
    SELECT * FROM read_json('x')
    SELECT * FROM read_ndjson_objects('x')
    SELECT * FROM read_parquet('https://example.org/x.parquet')
    SELECT * FROM parquet_scan('x')
    SELECT * FROM parquet_metadata('x')
    SELECT * FROM parquet_kv_metadata('x')
    SELECT * FROM read_duckdb('x')
    SELECT * FROM sniff_csv('x')
    SELECT * FROM glob('*')
    SELECT * FROM "glob"('/etc/*')
    SELECT * FROM query('SELECT * FROM secret')
    SELECT * FROM query_table('secret')
    SELECT * FROM query_table(['films', 'secret'])
    SELECT * FROM seq_scan('secret')
    SELECT * FROM arrow_scan(1, 2, 3)
    SELECT * FROM json_execute_serialized_sql('{}')
    SELECT * FROM sql_auto_complete('SEL')
    SELECT * FROM checkpoint()
    SELECT * FROM force_checkpoint('memory')
    SELECT * FROM enable_logging()
    SELECT * FROM truncate_duckdb_logs()
    SELECT * FROM test_all_types()
    SELECT * FROM repeat_row(1, num_rows = 1000000000)
    SELECT * FROM repeat('x', 1000000000)
    SELECT * FROM which_secret('s3://x', 's3')
    SELECT * FROM summary(films)
    SELECT * FROM histogram(films, id)
    SELECT * FROM histogram_values(films, id)
    SELECT * FROM json_each('[]')
    SELECT * FROM pg_timezone_names()
    SELECT * FROM main.range(1)
    SELECT * FROM system.main.range(1)
    SELECT * FROM films, query('SELECT 1')
    SELECT * FROM films WHERE id IN (FROM query('SELECT 1'))
    SELECT * FROM range((SELECT count(*) FROM glob('*')))
    SELECT * FROM unnest([getenv('HOME')])
    SELECT stats(id) FROM films
    SELECT STATS(id) FROM films
    SELECT "stats"(id) FROM films
    SELECT main.stats(id) FROM films
    SELECT vector_type(id) FROM films
    SELECT error('x')
    SELECT CASE WHEN id = 1 THEN error(title) END FROM films
    SELECT getenv('HOME')
    SELECT current_setting('memory_limit')
    SELECT getvariable('x')
    SELECT current_database()
    SELECT current_schema()
    SELECT current_schemas(true)
    SELECT current_query()
    SELECT current_user
    SELECT CURRENT_SCHEMA
    SELECT current_catalog
    SELECT session_user
    SELECT user
    SELECT current_connection_id()
    SELECT txid_current()
    SELECT version()
    SELECT pg_typeof(1)
    SELECT pg_catalog.pg_typeof(1)
    SELECT pg_sleep(100)
    SELECT sleep_ms(100000)
    SELECT has_table_privilege('films', 'select')
    SELECT pg_get_viewdef(1)
    SELECT col_description(1, 1)
    SELECT inet_server_addr()
    SELECT nextval('s')
    SELECT currval('s')
    SELECT setseed(0.5)
    SELECT write_log('x')
    SELECT parse_duckdb_log_message('x', 'y')
    SELECT in_search_path('a', 'b')
    SELECT json_serialize_sql('SELECT 1')
    SELECT json_deserialize_sql('{}')
    SELECT json_serialize_plan('SELECT * FROM secret')
    SELECT cast_to_type(1, NULL::INT)
    SELECT can_cast_implicitly(1, 2)
    SELECT create_sort_key(id, 'ASC') FROM films
    SELECT make_type('INTEGER')
    SELECT get_block_size('memory')
    SELECT enum_range(NULL::main.mood)
    SELECT 'x'::mood
    SELECT 'films'::regclass
    SELECT 1::main.t
    SELECT 'a'::ENUM ('a', 'b')
    SELECT icu_sort_key('a', 'de')
    SELECT finalize(x) FROM films
    SELECT sum(id) EXPORT_STATE FROM films
    SELECT system.main.abs(1)
    SELECT temp.main.abs(1)
    SELECT other.abs(1)
    SELECT rowid FROM films
    SELECT films.rowid FROM films
    SELECT "ROWID" FROM films
    SELECT * FROM films WHERE rowid = 1
    SELECT count(*) FROM films GROUP BY rowid
    SELECT row_number() OVER (ORDER BY rowid) FROM films
    SELECT * FROM films a JOIN films b USING (rowid)
    SELECT list_transform([1], x -> getenv('HOME'))
    SELECT list_filter([1], lambda x: stats(x) IS NOT NULL)
    SELECT [getenv(x) FOR x IN ['HOME']]
    SELECT max(getenv('HOME')) OVER () FROM films
    SELECT sum(id) FILTER (WHERE getenv('HOME') IS NULL) FROM films
    SELECT string_agg(title, ',' ORDER BY getenv('HOME')) FROM films
    SELECT sum(id) OVER (PARTITION BY getenv('HOME')) FROM films
    SELECT sum(id) OVER (ORDER BY getenv('HOME')) FROM films
    SELECT lag(id, 1, getenv('HOME')) OVER () FROM films
    SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN length(getenv('HOME')) PRECEDING AND CURRENT ROW) FROM films
    SELECT * REPLACE (getenv('HOME') AS id) FROM films
    SELECT COLUMNS(c -> getenv('HOME') = c) FROM films
    SELECT CASE WHEN true THEN getenv('HOME') END
    SELECT CASE WHEN getenv('HOME') IS NULL THEN 1 END
    SELECT CASE WHEN false THEN 1 ELSE getenv('HOME') END
    SELECT 1 BETWEEN 0 AND length(getenv('HOME'))
    SELECT 'x' COLLATE nocase || getenv('HOME')
    SELECT {'a': getenv('HOME')}
    SELECT [1][length(getenv('HOME'))]
    SELECT try(error('x'))
    SELECT 1 WHERE getenv('HOME') IS NULL
    SELECT count(*) FROM films GROUP BY getenv('HOME')
    SELECT count(*) FROM films HAVING getenv('HOME') IS NULL
    SELECT 1 FROM films QUALIFY getenv('HOME') IS NULL
    SELECT 1 ORDER BY getenv('HOME')
    SELECT 1 LIMIT length(getenv('HOME'))
    SELECT 1 LIMIT 1 OFFSET length(getenv('HOME'))
    SELECT DISTINCT ON (getenv('HOME')) id FROM films
    SELECT * FROM films a JOIN films b ON getenv('HOME') IS NULL
    VALUES (getenv('HOME'))
    SELECT * FROM (VALUES (getenv('HOME')))
    SELECT 1 UNION SELECT getenv('HOME')
    SELECT 1 IN (SELECT getenv('HOME'))
    SELECT getenv('HOME') IN (SELECT 'x')
    WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT length(getenv('HOME')) FROM r) SELECT * FROM r
    FROM films SELECT getenv('HOME')`,
  TABLE_NOT_FOUND: `
    SELECT * FROM secret
    SELECT * FROM "secret"
    SELECT * FROM SECRET
    TABLE secret
    FROM secret
    SELECT * FROM 'file.csv'
    SELECT * FROM "file.csv"
    SELECT * FROM '/etc/passwd'
    SELECT * FROM 'https://example.org/x.parquet'
    SELECT * FROM 's3://bucket/x.parquet'
    SELECT * FROM 'data/*.json'
    SELECT * FROM "films "
    SELECT * FROM " films"
    SELECT * FROM "films.csv"
    SELECT * FROM "main.films"
    SELECT * FROM "fi""lms"
    SELECT * FROM ﬁlms
    SELECT * FROM duckdb_tables
    SELECT * FROM duckdb_columns
    SELECT * FROM duckdb_secrets
    SELECT * FROM pragma_database_list
    SELECT * FROM sqlite_master
    SELECT * FROM pg_tables
    SELECT * FROM pg_class
    SELECT * FROM constructor
    SELECT * FROM __proto__
    SELECT (SELECT max(id) FROM secret)
    SELECT * FROM films WHERE id = ANY (SELECT id FROM secret)
    SELECT * FROM films UNION ALL FROM secret
    SELECT * FROM films, secret
    SELECT * FROM films LEFT JOIN secret USING (id)
    SELECT * FROM (SELECT * FROM (SELECT * FROM secret))
    WITH a AS (SELECT * FROM secret) SELECT 1
    WITH films AS (SELECT * FROM secret) SELECT * FROM films
    WITH RECURSIVE a AS (SELECT 1 UNION SELECT id FROM secret) SELECT 1
    SELECT * FROM films ORDER BY (SELECT max(id) FROM secret)
    SELECT * FROM films LIMIT (SELECT max(id) FROM secret)
    SELECT count(*) FILTER (WHERE EXISTS (FROM secret)) FROM films
    SELECT * FROM range((SELECT max(id) FROM secret))
    SELECT list_transform([1], x -> (SELECT max(id) FROM secret))
    VALUES ((SELECT max(id) FROM secret))
    SELECT CASE WHEN (SELECT true FROM secret) THEN 1 END
    SELECT * FROM films POSITIONAL JOIN secret`,
  UNSUPPORTED: `
    DESCRIBE films
    DESCRIBE secret
    DESCRIBE SELECT * FROM films
    SUMMARIZE films
    SUMMARIZE secret
    SHOW TABLES
    SHOW ALL TABLES
    SHOW DATABASES
    SHOW films
    SELECT * FROM (DESCRIBE films)
    SELECT * FROM (SHOW TABLES)
    SELECT * FROM films AT (VERSION => 3)
    SELECT * FROM films AT (TIMESTAMP => now())
    UNPIVOT films ON id, title
    SELECT * FROM films UNPIVOT (v FOR k IN (id))
    SELECT DEFAULT`,
}
