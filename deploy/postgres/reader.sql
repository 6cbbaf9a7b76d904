-- The role `parkmesh_reader`: reads everything of a central's database and writes nothing. For dumps, Grafana and reports. May be run
-- again at any time; by whoever may create roles (not the ledger), connected to the central's database.
--
--   READER_PASSWORD="$(cat postgres-reader-password)" psql -X -h HOST -U postgres -d parkmesh -f deploy/postgres/reader.sql
--
-- Where the owner of the tables is not called parkmesh: -v owner=NAME.
\set ON_ERROR_STOP on
\getenv password READER_PASSWORD
\if :{?owner}
\else
\set owner parkmesh
\endif
select 'create role parkmesh_reader' where not exists (select from pg_roles where rolname = 'parkmesh_reader') \gexec
alter role parkmesh_reader with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls connection limit 10 password :'password';
alter role parkmesh_reader set default_transaction_read_only = on;
alter role parkmesh_reader set statement_timeout = '60s';
select format('grant connect on database %I to parkmesh_reader', current_database()) \gexec
grant usage on schema public to parkmesh_reader;
grant select on all tables in schema public to parkmesh_reader;
grant select on all sequences in schema public to parkmesh_reader;
-- Drawers of months to come, tables of releases to come, and all of it where a database is emptied and filled again.
alter default privileges for role :"owner" grant usage on schemas to parkmesh_reader;
alter default privileges for role :"owner" grant select on tables to parkmesh_reader;
alter default privileges for role :"owner" grant select on sequences to parkmesh_reader;
