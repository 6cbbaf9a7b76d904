-- The role `parkmesh`, the ledger's, and the database it owns. It may do nothing else: no superuser, no other database. Run once, before
-- anything is there; by the superuser, who needs no password afterwards.
--
--   LEDGER_PASSWORD="$(cat postgres-password)" psql -X -h HOST -U postgres -d postgres -f deploy/postgres/ledger.sql
\set ON_ERROR_STOP on
\getenv password LEDGER_PASSWORD
create role parkmesh with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'password';
create database parkmesh owner parkmesh;
-- Whoever has a role may look at its own database alone.
revoke all on database parkmesh from public;
revoke all on database postgres from public;
revoke all on database template1 from public;
