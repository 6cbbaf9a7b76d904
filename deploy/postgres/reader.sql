-- The role `parkmesh_reader`: reads everything of a central's database and writes nothing. For Grafana, reports and dumps. May be run
-- again at any time; by whoever may create roles (not the ledger), connected to the central's database.
--
--   psql -h HOST -U postgres -d parkmesh -v password="$(cat reader-password)" -f deploy/postgres/reader.sql
--
-- Where the owner of the tables is not called parkmesh: -v owner=NAME.
\set ON_ERROR_STOP on
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
-- Drawers of months to come, and tables of releases to come.
alter default privileges for role :"owner" in schema public grant select on tables to parkmesh_reader;
