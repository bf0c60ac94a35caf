#!/bin/sh
# Hands mounted secrets to the process that needs them: they stand in no image, no compose file, no `docker inspect`.
set -eu

if [ -r /run/secrets/db_password ]; then
    PGPASSWORD="$(cat /run/secrets/db_password)" # read by libpq
    export PGPASSWORD
fi
if [ -r /run/secrets/api_token ]; then
    GASEARCH_TOKEN="$(cat /run/secrets/api_token)"
    export GASEARCH_TOKEN
fi
exec "$@"
