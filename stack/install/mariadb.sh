#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
[ -x /usr/sbin/mariadbd ] && [ -x /usr/bin/mariadb-install-db ] && [ -x /usr/bin/mariadb ] ||
	debian mariadb-server-core mariadb-client-core
printf '%-14s %s\n' mariadb "$(/usr/sbin/mariadbd --version)" >&2
