#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_java
# Certificates of secured listeners.
debian openssl
build() {
	copy_dependencies "$STACK/kafka/pom.xml" "$OUT/lib"
	expect_files 40 "$OUT"/lib/*.jar
	ls "$OUT"/lib/kafka_2.13-4.3.1.jar >/dev/null
}
provide kafka 4.3.1 "$STACK/kafka/pom.xml" -- build
archive_classes kafka
