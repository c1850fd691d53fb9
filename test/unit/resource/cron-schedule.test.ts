import { expect, test } from "vitest";
import {
	CRON_SHAPE,
	isCronSchedule,
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
