#!/bin/sh
# Does what the official image does with POSTGRES_DB, _USER, _PASSWORD and initdb.d.
set -eu
data=/var/lib/postgresql/data
if [ ! -e $data/PG_VERSION ]; then
    chown postgres $data
    echo "$POSTGRES_PASSWORD" >/tmp/password
    runuser -u postgres -- initdb -D $data -U "$POSTGRES_USER" --pwfile=/tmp/password -A scram-sha-256 --locale=C --encoding=UTF8 --no-sync
    echo "host all all all scram-sha-256" >>$data/pg_hba.conf
    runuser -u postgres -- pg_ctl -D $data -w -o "-c listen_addresses=" start
    export PGPASSWORD=$POSTGRES_PASSWORD
    database=${POSTGRES_DB:-$POSTGRES_USER}
    [ "$database" = postgres ] || runuser -u postgres -- createdb -h /var/run/postgresql -U "$POSTGRES_USER" "$database"
    for script in /docker-entrypoint-initdb.d/*.sql; do
        runuser -u postgres -- psql -h /var/run/postgresql -U "$POSTGRES_USER" -d "$database" -v ON_ERROR_STOP=1 -f "$script"
    done
    runuser -u postgres -- pg_ctl -D $data -w stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D $data -c listen_addresses='*'
