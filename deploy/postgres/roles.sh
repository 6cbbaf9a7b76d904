#!/bin/sh
# Makes the roles of a new database: /docker-entrypoint-initdb.d of the public image runs it once, before the server listens to anybody.
# LEDGER_PASSWORD_FILE and READER_PASSWORD_FILE hold the passwords; /roles the statements. The superuser ends without one:
# whoever wants to be it comes by the socket inside the container.
# In a shell of its own: the image runs scripts that are not executable in the one that becomes the server.
(
  set -eu
  as_superuser() { psql -Xq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" "$@"; }
  LEDGER_PASSWORD="$(cat "$LEDGER_PASSWORD_FILE")" as_superuser -d postgres -f /roles/ledger.sql
  READER_PASSWORD="$(cat "$READER_PASSWORD_FILE")" as_superuser -d parkmesh -f /roles/reader.sql
  as_superuser -d postgres -c "alter role \"$POSTGRES_USER\" with password null"
)
