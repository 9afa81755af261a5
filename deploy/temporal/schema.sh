#!/bin/sh
# Makes or updates Temporal's two databases. May run at every start.
set -eu
for db in temporal visibility; do
  name=temporal
  [ "$db" = temporal ] || name=temporal_visibility
  temporal-sql-tool --db "$name" create
  temporal-sql-tool --db "$name" setup-schema -v 0.0
  temporal-sql-tool --db "$name" update-schema --schema-name "postgresql/v12/$db"
done
