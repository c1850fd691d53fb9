import { expect, test } from "vitest";
import { writerConfig } from "../../../src/writer/config.ts";
import { pipeline } from "../operator/pipeline.ts";

const keys = () => "x";
const topics = (source: object): RegExp =>
	writerConfig(pipeline({ source }), keys).kafka.topics;

test("the collection in which snapshots are marked does not become a table, whatever include covers", () => {
	const all = topics({ include: [".*"] });
	expect(all.test("shop.shop.orders")).toBe(true);
	expect(all.test("shop.tributary.signals")).toBe(false);
	expect(all.test("shop.tributary.signals2")).toBe(true);
	const own = topics({
		include: ["shop\\..*"],
		signalCollection: "shop.signals",
	});
	expect(own.test("shop.shop.signals")).toBe(false);
	expect(own.test("shop.shop.orders")).toBe(true);
	expect(topics({}).source).toBe("^shop\\.(?:(?:shop.orders))$");
});
