#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
need_java
build() {
	copy_dependencies "$STACK/mongo-double/pom.xml" "$OUT/lib"
	expect_files 10 "$OUT"/lib/*.jar
	mkdir "$OUT/classes"
	javac -nowarn -XDsuppressNotes -d "$OUT/classes" -cp "$OUT/lib/*" "$STACK/mongo-double/MongoDouble.java" >&2
}
provide mongo-double 1.47.0 "$STACK"/mongo-double/{pom.xml,MongoDouble.java} -- build
