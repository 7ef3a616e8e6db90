#!/bin/sh
# Makes a role and a database for each service, when PostgreSQL's image starts on an empty volume.
# A role reaches its own database and no other.
set -eu

create() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres \
        --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

create auth "$AUTH_DATABASE_PASSWORD"
create tweets "$TWEETS_DATABASE_PASSWORD"
create notifier "$NOTIFIER_DATABASE_PASSWORD"
