import { seeded, VirtualClock } from "../virtual-clock.ts";
import { HostileServer, type Valued } from "./hostile-server.ts";
import type { Simulation } from "./runtime.ts";

/** What a reader of the copy may wait for: a silent watch, a request that hangs, and the pauses between. */
const NOTICED_MS = 10_000 + 3 * 36_000;

/**
 * A server that does all that servers do wrong. The copy must end up equal to it, every difference must
 * have been told, and neither trouble nor calm may bring more requests than the pauses allow.
 */
export const simulateReflector: Simulation = async ({ Reflector }, seed) => {
	const random = seeded(seed);
	const clock = new VirtualClock(random);
	const server = new HostileServer(random);
	const told = new Map<string, number>();
	const wrong = new Set<string>();
	const reflector = new Reflector<Valued>({
		source: server.source(clock),
		clock,
		onChange: (key, value, before) => {
			if (before?.spec.value !== told.get(key))
				wrong.add(`${key}: told of a change from what was never told`);
			if (value === undefined) told.delete(key);
			else told.set(key, value.spec.value);
		},
		onError: () => {},
		settings: { pageSize: 3, watchMs: 20_000, inactivityMs: 10_000 },
	});
	const stop = new AbortController();
	const running = reflector.run(stop.signal);
	for (let i = 0; i < 200; i++) {
		server.change(`o${Math.floor(random() * 10)}`);
		await clock.advance(random() * 1_000);
	}
	const troubled = server.requests;
	if (troubled > 600) wrong.add(`a hot loop: ${troubled} requests in trouble`);
	server.closing = true;
	await clock.advance(60_000);
	const closing = server.requests - troubled;
	if (closing > 60)
		wrong.add(`a hot loop: ${closing} watches that end at once`);
	server.closing = false;
	server.calmDown();
	await clock.advance(NOTICED_MS);
	const expected = values(server.objects.values());
	if (JSON.stringify(values(reflector.values())) !== JSON.stringify(expected))
		wrong.add("the copy is not what the server has");
	if (JSON.stringify([...told].sort()) !== JSON.stringify(expected))
		wrong.add("a difference was not told");
	if (reflector.silenceMs > 10_000) wrong.add("deaf in calm");
	const before = server.requests;
	await clock.advance(600_000);
	const calm = server.requests - before;
	if (calm > 70) wrong.add(`a hot loop: ${calm} requests in ten calm minutes`);
	if (expected.length === 0) wrong.add("nothing is left to compare");
	stop.abort();
	await clock.advance(1_000);
	await running;
	return [...wrong];
};

function values(objects: Iterable<Valued>): [string, number][] {
	return [...objects]
		.map(({ metadata, spec }): [string, number] => [
			`data/${metadata.name}`,
			spec.value,
		])
		.sort();
}
