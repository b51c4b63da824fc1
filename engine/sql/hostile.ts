/** Statements that reach for what is not theirs, by the code that the guard answers with; for its tests. */

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
    FROM films SELECT getenv('HOME')
    SELECT system.main.repeat('x', 1000000000)
    SELECT system.repeat('x', 1000000000)
    SELECT "system"."main"."repeat"('x', 10)
    SELECT memory.main.line_ip('1.1.1.1')
    SELECT * FROM line_ip('1.1.1.1')
    SELECT _blasty_something('x')
    SELECT 'a' GLOB 'a*'
    SELECT range(10)
    SELECT generate_series(1, 10)
    SELECT list_resize([1], 10)
    SELECT bitstring('1', 10)
    SELECT json_structure('[]')
    SELECT equi_width_bins(0, 10, 2, false)
    SELECT printf('%*d', 5, 1)
    SELECT printf('%12345d', 1)
    SELECT format('{:{}}', 1, 5)
    SELECT format(title, 1) FROM films
    SELECT printf(title) FROM films
    SELECT regexp_replace('a', 'a', title) FROM films
    SELECT regexp_replace('a', 'a', repeat('b', 1000))
    SELECT list_transform([1], x -> repeat('a', x))
    SELECT list_transform(tags, t -> lpad(t, 1000, 'x')) FROM films
    SELECT list_transform(tags, t -> rpad(t, length(t) * 10, 'x')) FROM films
    SELECT list_transform(tags, t -> replace(t, 'a', t)) FROM films
    SELECT [format('{}', x) FOR x IN tags] FROM films
    SELECT list_filter(tags, t -> list_reduce(tags, (a, b) -> a || b) = t) FROM films
    SELECT from_json('[1]', title) FROM films
    SELECT json_transform('[1]', $1)
    SELECT linear_trend(id, released) OVER () FROM films
    SELECT time_to_target(id, released, 1) OVER () FROM films
    SELECT line_ip(title) OVER () FROM films
    SELECT * FROM repeat('x', 10)
    FROM query('FROM secret')
    FROM query_table('sec' || 'ret')
    SELECT * FROM query_table($1)
    SELECT * FROM query($1)
    SELECT * FROM U&"s\\0065cret"
    SELECT * FROM "main"."secret"
    SELECT * FROM main . secret
    SELECT * FROM test.secret
    SELECT * FROM test.main.secret
    SELECT * FROM other_namespace.films
    SELECT * FROM "other-namespace".main.films
    SELECT * FROM "../other".films
    SELECT * FROM read_text('/proc/self/environ')
    SELECT content FROM read_text(['/etc/passwd'])
    SELECT * FROM read_csv($1)
    SELECT * FROM read_csv('/etc/passwd', header = false, columns = {'a': 'VARCHAR'})
    SELECT * FROM read_xlsx('x')
    SELECT * FROM st_read('x')
    SELECT * FROM sqlite_scan('x', 'y')
    SELECT * FROM postgres_scan('x', 'y', 'z')
    SELECT * FROM mysql_query('x', 'y')
    SELECT * FROM iceberg_scan('s3://x')
    SELECT * FROM delta_scan('s3://x')
    SELECT * FROM duckdb_databases()
    SELECT * FROM duckdb_columns() WHERE table_name = 'secret'
    SELECT * FROM duckdb_constraints()
    SELECT * FROM duckdb_indexes()
    SELECT * FROM duckdb_keywords()
    SELECT * FROM duckdb_memory()
    SELECT * FROM duckdb_optimizers()
    SELECT * FROM duckdb_schemas()
    SELECT * FROM duckdb_sequences()
    SELECT * FROM duckdb_types()
    SELECT * FROM duckdb_log_contexts()
    SELECT * FROM duckdb_approx_database_count()
    SELECT * FROM pragma_collations()
    SELECT * FROM pragma_metadata_info('x')
    SELECT * FROM pragma_user_agent()
    SELECT * FROM pragma_platform()
    SELECT * FROM pragma_last_profiling_output()
    SELECT * FROM show_tables()
    SELECT * FROM information_schema.schemata
    SELECT current_setting('temp_directory')
    SELECT current_setting($1)
    SELECT set_config('memory_limit', '1TB', false)
    SELECT getenv($1)
    SELECT nextval($1)
    SELECT error($1)
    SELECT stats($1)
    SELECT is_histogram_other_bin(1)
    SELECT variant_extract(1, 'a')
    SELECT pg_get_expr('x', 1)
    SELECT obj_description(1)
    SELECT shobj_description(1, 'x')
    SELECT pg_size_pretty(1)
    SELECT format_type(1, 1)
    SELECT has_schema_privilege('x', 'y')
    SELECT md5_number('x')
    SELECT invoke(x -> x, 1)
    SELECT current_role
    SELECT "current_user"
    EXPLAIN SELECT * FROM secret
    EXPLAIN ANALYZE SELECT 1
    PREPARE x AS SELECT 1
    SELECT 1; ATTACH 'x'
    SELECT 1; SET threads = 100
    SELECT 1; SELECT * FROM secret
    SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
    START TRANSACTION
    ABORT
    SAVEPOINT a
    LOCK TABLE films
    GRANT ALL ON films TO x
    COPY FROM DATABASE memory TO other
    COPY (FROM secret) TO STDOUT
    CREATE OR REPLACE MACRO repeat(s, n) AS 1
    CREATE FUNCTION f(x) AS x
    CREATE TEMP VIEW films AS SELECT 1
    CREATE TABLE secret AS FROM films
    DROP MACRO repeat
    DROP VIEW films
    ALTER DATABASE x SET ALIAS TO y
    UPDATE EXTENSIONS
    PRAGMA table_info('secret')
    PRAGMA show_tables
    PRAGMA version
    PRAGMA disable_optimizer
    CALL duckdb_tables()
    CALL query('SELECT 1')
    PIVOT secret ON id
    SELECT films.rowid, title FROM films
    SELECT min(films."rowid") FROM films
    SELECT * FROM films WHERE films.ROWID IN (SELECT 1)
    SELECT list(rowid) FROM films
    SELECT rowid AS id FROM (SELECT * FROM films)
    SELECT 1::secret
    SELECT NULL::"secret"
    SELECT 'x'::main.secret
    SELECT CAST(1 AS memory.main.t)
    SELECT '1'::DECIMAL(39, 0)
    SELECT x'00'::SECRET_TYPE
    SELECT NULL::STRUCT(a mood)
    SELECT * FROM films USING SAMPLE (SELECT 1)
    SELECT list_sort([1], current_setting('x'))
    SELECT 'x' COLLATE (SELECT name FROM secret)
    SELECT * FROM films JOIN films f USING (id, rowid)
    SELECT list_aggregate([1], 'stats')
    SELECT list_aggregate(tags, 'getenv') FROM films
    SELECT list_aggregate(tags, title) FROM films
    SELECT aggregate([1], 'query_table')`,
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
    SELECT * FROM films POSITIONAL JOIN secret
    SELECT * FROM _blasty_positions
    SELECT * FROM _blasty_staged
    SELECT * FROM "_BLASTY_POSITIONS"
    SELECT * FROM films TABLESAMPLE system(10%) JOIN secret ON true
    FROM (FROM secret)
    FROM films UNION BY NAME FROM secret
    SELECT * FROM films SEMI JOIN secret USING (id)
    SELECT * FROM films ANTI JOIN secret USING (id)
    SELECT * FROM films ASOF JOIN secret ON films.id >= secret.id
    SELECT * FROM films NATURAL JOIN secret
    SELECT films.* FROM films, LATERAL (SELECT secret.id FROM secret WHERE secret.id = films.id) s
    SELECT * FROM films WHERE (id, title) IN (SELECT id, name FROM secret)
    SELECT * FROM films WHERE id > ALL (SELECT id FROM secret)
    SELECT CASE WHEN EXISTS (SELECT 1 FROM secret WHERE id = 42) THEN 1 / 0 END FROM films
    SELECT CAST((SELECT name FROM secret LIMIT 1) AS INTEGER)
    SELECT list((SELECT name FROM secret))
    SELECT max((SELECT id FROM secret)) OVER () FROM films
    SELECT id FROM films GROUP BY id HAVING count(*) > (SELECT count(*) FROM secret)
    SELECT id FROM films QUALIFY row_number() OVER (ORDER BY (SELECT id FROM secret)) = 1
    SELECT id FROM films ORDER BY (SELECT id FROM secret WHERE secret.id = films.id)
    SELECT * EXCLUDE (id) REPLACE ((SELECT name FROM secret) AS title) FROM films
    SELECT COLUMNS(c -> c IN (SELECT name FROM secret)) FROM films
    SELECT {'a': (SELECT id FROM secret)}
    SELECT [(SELECT id FROM secret)]
    SELECT map {'a': (SELECT id FROM secret)}
    SELECT x: (FROM secret SELECT id)
    SELECT unnest((SELECT list(id) FROM secret))
    SELECT * FROM unnest((SELECT list(id) FROM secret))
    SELECT * FROM generate_series(1, (SELECT max(id) FROM secret))
    VALUES ((FROM secret SELECT id)), (1)
    WITH a AS (SELECT 1), b AS (SELECT * FROM secret) SELECT * FROM a
    WITH a AS (WITH b AS (SELECT * FROM secret) SELECT * FROM b) SELECT * FROM a
    WITH secret AS MATERIALIZED (SELECT * FROM secret) SELECT * FROM secret
    WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a, secret WHERE n < 5) SELECT * FROM a
    WITH a AS (SELECT 1) SELECT * FROM (SELECT * FROM a), (WITH a AS (FROM secret) FROM a)
    SELECT * FROM (VALUES (1)) v(x) JOIN (TABLE secret) s ON true
    (SELECT * FROM films) EXCEPT (SELECT * FROM secret)
    (TABLE secret)
    SELECT * FROM "secret" AS films
    SELECT films.* FROM secret AS films
    SELECT * FROM sécret
    SELECT * FROM "secret";
    SELECT * FROM "Secret" -- films
    SELECT * FROM /* films */ secret
    SELECT * FROM secret;--
    SELECT * FROM $$secret$$
    SELECT * FROM E'secret'
    SELECT * FROM 'secret'
    SELECT * FROM '../other.duckdb'
    SELECT * FROM '/proc/self/environ'
    SELECT * FROM 'file:///etc/passwd'
    SELECT * FROM 'https://169.254.169.254/latest/meta-data/'
    SELECT * FROM sqlite_temp_master
    SELECT * FROM pg_settings
    SELECT * FROM pg_views
    SELECT current_localtimestamp() FROM secret
    SELECT 1 = ANY(SELECT id FROM secret)
    SELECT sum(id) FILTER (WHERE id IN (SELECT id FROM secret)) FROM films
    SELECT first(id ORDER BY (SELECT max(id) FROM secret)) FROM films
    SELECT sum(id) OVER (ROWS BETWEEN (SELECT 1 FROM secret) PRECEDING AND CURRENT ROW) FROM films
    SELECT 1 LIMIT (SELECT count(*) FROM secret)
    SELECT 1 OFFSET (SELECT count(*) FROM secret)
    SELECT array_transform([1], x -> (FROM secret SELECT id LIMIT 1))
    SELECT date_trunc((SELECT name FROM secret), now())
    SELECT strftime(now(), (SELECT name FROM secret))
    SELECT regexp_matches('x', (SELECT name FROM secret))
    SELECT 'x' LIKE (SELECT name FROM secret)`,
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
    SELECT DEFAULT
    DESCRIBE TABLE secret
    SUMMARIZE SELECT * FROM secret
    SHOW secret
    SHOW SCHEMAS
    SELECT * FROM (SUMMARIZE secret)
    SELECT * FROM (SHOW ALL TABLES)
    UNPIVOT secret ON id
    SELECT * FROM films PIVOT (count(*) FOR region IN ('x'))
    SELECT * FROM secret AT (VERSION => 1)`,
}

/**
 * Statements that the guard lets through and that must tell nothing: whatever they name is not there, or is a column of the caller's
 * own tables. One a line. In the namespace lies a table `zebra_vault` with a column `crown`, and a macro `zebra_macro`.
 */
export const harmless = `
    SELECT zebra_vault FROM films
    SELECT zebra_vault.crown FROM films
    SELECT main.zebra_vault.crown FROM films
    SELECT films.main.zebra_vault FROM films
    SELECT zebra_vaul.crown FROM films
    SELECT crown FROM films
    SELECT crow FROM films
    SELECT films.crown FROM films
    SELECT f.crown FROM films f
    SELECT * FROM films WHERE crown = 'x'
    SELECT * FROM films GROUP BY crown
    SELECT * FROM films ORDER BY crown
    SELECT * EXCLUDE (crown) FROM films
    SELECT * RENAME (crown AS x) FROM films
    SELECT COLUMNS('crown') FROM films
    SELECT COLUMNS('.*') FROM films
    SELECT COLUMNS(c -> c LIKE 'crow%') FROM films
    SELECT struct_extract(films, 'crown') FROM films
    SELECT films.title.crown FROM films
    SELECT struct_keys(films), to_json(films), films::VARCHAR FROM films
    SELECT * FROM films a JOIN films b USING (crown)
    SELECT * FROM films NATURAL JOIN (SELECT 1 AS crown)
    WITH zebra_vault AS (SELECT 1 AS x) SELECT crown FROM zebra_vault
    WITH zebra_vault(crown) AS (SELECT 1) SELECT * FROM zebra_vault
    SELECT * FROM (SELECT 1) AS zebra_vault(crown)
    SELECT _blasty_positions FROM films
    SELECT _blasty_positions.name FROM films
    SELECT _revision, _commit_time FROM films
    SELECT file_row_number FROM films
    SELECT filename FROM films
    SELECT main.current_user
    SELECT films.current_user FROM films
    SELECT title COLLATE crown FROM films
    SELECT * FROM films ORDER BY title COLLATE zebra
    SELECT CAST(title AS INTEGER) FROM films
    SELECT title::DATE FROM films
    SELECT 1 / 0, 1 // 0, 1 % 0
    SELECT strptime(title, '%Y') FROM films
    SELECT from_json(title, '"JSON"') FROM films
    SELECT title->'$.crown' FROM films
    SELECT json_extract(title, '$[') FROM films
    SELECT regexp_matches(title, '(') FROM films
    SELECT list_extract([title], 9223372036854775807) FROM films
    SELECT array_extract([1, 2, 3]::INTEGER[3], 9) FROM films
    SELECT map {'a': 1}['crown']
    SELECT (SELECT title FROM films)
    SELECT decode('\\xFF'::BLOB)
    SELECT typeof(films) FROM films
    SELECT uuid(), now(), random()
    SELECT $$zebra_vault$$, 'crown'
    SELECT 1 -- FROM zebra_vault
    SELECT 1 /* FROM zebra_vault */
    SELECT 'a'';SELECT * FROM zebra_vault --'
    SELECT "a"";SELECT * FROM zebra_vault" FROM films`
