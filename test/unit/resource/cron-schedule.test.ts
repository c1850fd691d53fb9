import { expect, test } from "vitest";
import {
	CRON_SHAPE,
	isCronSchedule,
	isDue,
} from "../../../src/resource/cron-schedule.ts";

test.each([
	"0 3 * * *",
	"*/15 * * * *",
	"0 4 * * 0",
	"30 2 1,15 JAN-jun mon-FRI",
	"0 0-6/2 31 12 7",
	"@daily",
])("a schedule that a CronJob takes is refused: %s", (text) => {
	expect(text).toMatch(CRON_SHAPE);
	expect(isCronSchedule(text)).toBe(true);
});

test.each([
	"",
	"0 3 * *",
	"60 3 * * *",
	"0 24 * * *",
	"0 3 32 * *",
	"0 3 * 13 *",
	"0 3 * * 8",
	"5-1 * * * *",
	"*/0 * * * *",
	"1-2-3 * * * *",
	"nightly",
	"@reboot",
	"0 3 * * * *",
	"TZ=UTC 0 3 * * *",
	"0 3 * * *\n",
])("a schedule that a CronJob does not take is let through: %j", (text) => {
	expect(CRON_SHAPE.test(text) && isCronSchedule(text)).toBe(false);
});

test.each([
	["*/15 * * * *", "2026-11-21T10:30:00Z", true],
	["*/15 * * * *", "2026-11-21T10:31:00Z", false],
	["0 3 * * 1-5", "2026-11-20T03:00:00Z", true],
	["0 3 * * 1-5", "2026-11-21T03:00:00Z", false],
	["0 3 * * sun", "2026-11-22T03:00:00Z", true],
	["0 3 * * 7", "2026-11-22T03:00:00Z", true],
	["0 0 1 * 1", "2026-11-23T00:00:00Z", true],
	["0 0 1 * 1", "2026-12-01T00:00:00Z", true],
	["0 0 1 * 1", "2026-12-02T00:00:00Z", false],
	["5/20 * * dec *", "2026-12-02T00:25:00Z", true],
	["5/20 * * dec *", "2026-12-02T00:20:00Z", false],
	["@daily", "2026-12-02T00:00:00Z", true],
	["@hourly", "2026-12-02T07:01:00Z", false],
])("%s at %s is due: %s", (schedule, at, due) => {
	expect(isCronSchedule(schedule)).toBe(true);
	expect(isDue(schedule, new Date(at))).toBe(due);
});
