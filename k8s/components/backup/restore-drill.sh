#!/bin/sh
# Restores the newest dump of $BACKUPS into a throw-away Postgres in $SCRATCH and serves it on 127.0.0.1:5432, without a password, to
# whoever shares the network: `ledger verify` then looks at it. $SCRATCH/restored is there when it may.
set -eu
: "${BACKUPS:=/backups}" "${SCRATCH:=/scratch}"
newest="$(ls -1 "$BACKUPS"/parkmesh-*.dump 2> /dev/null | sort | tail -n 1)"
[ -n "$newest" ] || { echo "there is no dump in $BACKUPS" >&2; exit 1; }
echo "restoring $(basename "$newest"), $(wc -c < "$newest") bytes, of $(date -u -r "$newest" +%FT%TZ)"

for bin in /usr/lib/postgresql/*/bin; do PATH="$bin:$PATH"; done
export PATH
rm -rf "$SCRATCH/data" "$SCRATCH/restored"
initdb -D "$SCRATCH/data" --username=parkmesh --auth=trust --encoding=UTF8 --locale=C.UTF-8 > /dev/null
# Nothing of this survives: speed before safety.
set -- -D "$SCRATCH/data" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$SCRATCH" -c fsync=off \
  -c full_page_writes=off -c synchronous_commit=off -c max_wal_size=2GB -c jit=off
pg_ctl -D "$SCRATCH/data" -w -t 60 -o "-c listen_addresses='' -c unix_socket_directories=$SCRATCH -c fsync=off" start > /dev/null
createdb -h "$SCRATCH" -U parkmesh parkmesh
pg_restore -h "$SCRATCH" -U parkmesh -d parkmesh --no-owner --no-privileges --exit-on-error --jobs=2 "$newest"
psql -h "$SCRATCH" -U parkmesh -d parkmesh -Atc "select 'restored events: ' || count(*) from events"
pg_ctl -D "$SCRATCH/data" -w -m fast stop > /dev/null
touch "$SCRATCH/restored"
exec postgres "$@"
