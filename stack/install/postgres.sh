#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
[ -x /usr/lib/postgresql/15/bin/postgres ] || debian postgresql-15
printf '%-14s %s\n' postgres "$(/usr/lib/postgresql/15/bin/postgres --version)" >&2
