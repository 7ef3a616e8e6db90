#!/bin/sh
# Creates a role and a database for each NAME_DATABASE_PASSWORD in the environment; existing ones stay
# as they are. PostgreSQL's image runs this script on an empty volume. Run it again for a new service
# (deploy/README.md). A role can connect to its own database only.
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
