#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
command -v mariadbd >/dev/null || debian mariadb-server
printf '%-14s %s\n' mariadb "$(mariadbd --version | sed 's/.*Ver //; s/ for .*//')" >&2
