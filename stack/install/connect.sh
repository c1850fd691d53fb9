#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_java
build() {
	local plugin
	copy_dependencies "$STACK/connect/pom.xml" "$OUT/lib"
	expect_files 40 "$OUT"/lib/*.jar
	mkdir "$OUT/plugins"
	for plugin in mongodb postgres mysql mariadb; do
		copy_dependencies "$STACK/connect/plugins/$plugin.xml" "$OUT/download"
		# One of them may be of another version than the rest.
		tar -xzf "$OUT/download/debezium-connector-$plugin"-*-plugin.tar.gz -C "$OUT/plugins"
		ls "$OUT/plugins/debezium-connector-$plugin/debezium-connector-$plugin"-*.Final.jar >/dev/null
	done
	rm -rf "$OUT/download"
}
provide connect 4.3.1-3.6.1 "$STACK"/connect/pom.xml "$STACK"/connect/plugins/*.xml -- build
# Connect starts only beside Kafka.
[ ! -e "$TRIBUTARY_CACHE/kafka" ] || archive_classes connect
