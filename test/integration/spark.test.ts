import { afterAll } from "vitest";
import { Spark } from "../support/spark.ts";

// One JVM for all of them: it takes half a minute to start and to get warm.
import "./spark/expression.ts";
import "./spark/constraints.ts";
import "./spark/scan.ts";
import "./spark/change-data.ts";
import "./spark/differential.ts";
import "./spark/schema-change.ts";

afterAll(Spark.stopShared);
