-- One line a finding, each a JSON object {"key": ..., "value": ...}.
SELECT json_build_object('key', 'heads', 'value', json_object_agg(app, name))
FROM (SELECT app, max(name) AS name FROM django_migrations GROUP BY app) AS heads;

SELECT json_build_object('key', 'schema', 'value', md5(string_agg(line, E'\n' ORDER BY line)))
FROM (
  SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS line
  FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL
  SELECT concat_ws(' ', tablename, indexdef) FROM pg_indexes WHERE schemaname = 'public'
) AS lines;

SELECT json_build_object('key', 'database', 'value', json_build_object(
  'owner', pg_get_userbyid(datdba), 'acl', datacl::text, 'comment', shobj_description(pg_database.oid, 'pg_database'),
  'settings', (SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = pg_database.oid AND setrole = 0)))
FROM pg_database WHERE datname = current_database();

-- Every table: how many rows, and a hash of them in any order.
SELECT format(
  'SELECT json_build_object(''key'', %L, ''value'', concat(count(*), '' rows '', '
  'md5(string_agg(md5(t::text), '''' ORDER BY md5(t::text))))) FROM public.%I AS t',
  'rows of ' || tablename, tablename)
FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename
\gexec
