#!/bin/sh
# Makes a role and a database for each service that has a password here (NAME_DATABASE_PASSWORD), and
# leaves those that exist as they are. PostgreSQL's image runs it on an empty volume; run it again for
# a service that is new (deploy/README.md). A role reaches its own database and no other.
set -eu

create() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres \
        --set name="$1" --set password="$2" <<'SQL'
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') AS no_role,
    NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') AS no_database \gset
\if :no_role
CREATE ROLE :"name" LOGIN PASSWORD :'password';
\endif
\if :no_database
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
\endif
SQL
}

for prefix in $(env | sed -n 's/^\([A-Z0-9]*\)_DATABASE_PASSWORD=.*/\1/p' | sort); do
    eval "password=\$${prefix}_DATABASE_PASSWORD"
    # shellcheck disable=SC2154  # eval sets it
    create "$(echo "$prefix" | tr '[:upper:]' '[:lower:]')" "$password"
done
