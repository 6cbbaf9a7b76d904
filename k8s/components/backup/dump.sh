#!/bin/sh
# Dumps the central's database into $BACKUPS, checks that the dump can be read, and removes what is older than $KEEP_DAYS days, but
# never the newest three. Needs PGHOST, PGUSER, PGDATABASE and PGPASSWORD_FILE; a role that reads is enough. The dump is of one
# snapshot; lanes go on meanwhile. Owners and rights are the database's it is restored into.
set -eu
: "${BACKUPS:=/backups}" "${KEEP_DAYS:=14}"
for bin in /usr/lib/postgresql/*/bin; do PATH="$bin:$PATH"; done
export PATH
PGPASSWORD="$(cat "$PGPASSWORD_FILE")"
export PGPASSWORD

name="parkmesh-$(date -u +%Y%m%dT%H%M%SZ).dump"
trap 'rm -f "$BACKUPS/.new"' EXIT
pg_dump --format=custom --compress=6 --no-owner --no-privileges --file="$BACKUPS/.new"
pg_restore --list "$BACKUPS/.new" | grep -q 'TABLE DATA public events' || { echo "the dump holds no events" >&2; exit 1; }
sync "$BACKUPS/.new" 2> /dev/null || sync
mv "$BACKUPS/.new" "$BACKUPS/$name"
echo "dumped $name, $(wc -c < "$BACKUPS/$name") bytes"

# shellcheck disable=SC2012
ls -1 "$BACKUPS"/parkmesh-*.dump | sort -r | tail -n +4 | while read -r old; do
  if [ -n "$(find "$old" -mtime +"$KEEP_DAYS")" ]; then
    rm -f "$old"
    echo "removed $(basename "$old")"
  fi
done
