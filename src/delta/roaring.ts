import { DeltaError } from "./errors.ts";

/*
 * A 32-bit roaring bitmap in its portable form (RoaringFormatSpec), little-endian:
 *
 *   u32     cookie: 12346, then u32 number of containers (at most 65536)
 *           or 12347 + (number of containers - 1) * 65536, then a bit per container: has runs
 *   per container, ascending: u16 key (high half of its values), u16 cardinality - 1
 *   per container, unless it is 12347 with fewer than 4: u32 offset, which no reader needs
 *   per container:
 *     runs    u16 number of runs, then per run u16 first, u16 length - 1
 *     array   cardinality * u16, when there are at most 4096
 *     bits    1024 * u64
 */
const PLAIN_COOKIE = 12346;
const RUN_COOKIE = 12347;
const ARRAY_LIMIT = 4096;
const BITSET_BYTES = 8192;
const OFFSETS_FROM = 4;

/** A bitmap whose layout has been checked from end to end; nothing is unpacked yet. */
export interface RoaringBitmap {
	/** Where it ends in the bytes that it was found in. */
	readonly end: number;
	/** How many values it holds. */
	readonly cardinality: number;
	/** Writes the values, ascending, to `out` from `at` on. */
	unpack(out: Uint32Array, at: number): void;
}

interface Container {
	readonly key: number;
	readonly kind: "runs" | "array" | "bits";
	readonly cardinality: number;
	readonly start: number;
}

/**
 * Checks the bitmap that starts at `start`. Takes time by its bytes, whatever its header claims, so
 * that the caller knows the cardinality before any memory is taken for the values.
 * @throws DeltaError DELTA_DELETION_VECTOR_INVALID naming what is wrong
 */
export function parseRoaring(bytes: Uint8Array, start: number): RoaringBitmap {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	let at = start;
	const need = (size: number): number => {
		if (size > bytes.length - at)
			throw invalid(
				`is cut short: ${size} bytes are needed at ${at} of ${bytes.length}`,
			);
		at += size;
		return at - size;
	};
	const cookie = view.getUint32(need(4), true);
	const withRuns = (cookie & 0xffff) === RUN_COOKIE;
	if (!withRuns && cookie !== PLAIN_COOKIE)
		throw invalid(`has the unknown cookie ${cookie}`);
	const count = withRuns ? (cookie >>> 16) + 1 : view.getUint32(need(4), true);
	if (count > 65_536) throw invalid(`claims ${count} containers`);
	const flags = withRuns ? need((count + 7) >>> 3) : 0;
	const header = need(count * 4);
	if (!withRuns || count >= OFFSETS_FROM) need(count * 4);

	const containers: Container[] = [];
	let total = 0;
	let previous = -1;
	for (let i = 0; i < count; i++) {
		const key = view.getUint16(header + i * 4, true);
		const cardinality = view.getUint16(header + i * 4 + 2, true) + 1;
		if (key <= previous)
			throw invalid(`has container ${key} after container ${previous}`);
		previous = key;
		const runs =
			withRuns && ((bytes[flags + (i >>> 3)] ?? 0) & (1 << (i & 7))) !== 0;
		const kind = runs ? "runs" : cardinality <= ARRAY_LIMIT ? "array" : "bits";
		let found: number;
		let from: number;
		switch (kind) {
			case "runs": {
				const length = view.getUint16(need(2), true);
				from = need(length * 4);
				found = countRuns(view, from, length);
				break;
			}
			case "array":
				from = need(cardinality * 2);
				found = countArray(view, from, cardinality);
				break;
			case "bits":
				from = need(BITSET_BYTES);
				found = countBits(view, from);
				break;
		}
		if (found !== cardinality)
			throw invalid(
				`has ${found} values in container ${key}, whose header says ${cardinality}`,
			);
		containers.push({ key, kind, cardinality, start: from });
		total += cardinality;
	}
	return {
		end: at,
		cardinality: total,
		unpack: (out, first) => {
			let next = first;
			for (const container of containers)
				next = unpackContainer(view, container, out, next);
		},
	};
}

/**
 * The bitmap of ascending values without repeats, each container in its smallest form.
 * @throws RangeError when they do not ascend
 */
export function encodeRoaring(values: Uint32Array): Uint8Array {
	const containers: (Container & { readonly runs: number })[] = [];
	for (let start = 0; start < values.length; ) {
		const key = (values[start] as number) >>> 16;
		let runs = 1;
		let end = start + 1;
		for (; end < values.length; end++) {
			const value = values[end] as number;
			const previous = values[end - 1] as number;
			if (value <= previous)
				throw new RangeError(
					`value ${value} comes after ${previous}; sort them and leave repeats out`,
				);
			if (value >>> 16 !== key) break;
			if (value !== previous + 1) runs++;
		}
		const cardinality = end - start;
		const plain = cardinality <= ARRAY_LIMIT ? "array" : "bits";
		const kind =
			2 + runs * 4 < (plain === "array" ? cardinality * 2 : BITSET_BYTES)
				? "runs"
				: plain;
		containers.push({ key, kind, cardinality, start, runs });
		start = end;
	}

	const count = containers.length;
	const withRuns = containers.some(({ kind }) => kind === "runs");
	const flags = withRuns ? (count + 7) >>> 3 : 0;
	const withOffsets = !withRuns || count >= OFFSETS_FROM;
	const header = (withRuns ? 4 : 8) + flags;
	let size = header + count * (withOffsets ? 8 : 4);
	const offsets = containers.map((container) => {
		const offset = size;
		size += containerSize(container);
		return offset;
	});
	const bytes = new Uint8Array(size);
	const view = new DataView(bytes.buffer);
	if (withRuns) view.setUint32(0, RUN_COOKIE + (count - 1) * 65_536, true);
	else {
		view.setUint32(0, PLAIN_COOKIE, true);
		view.setUint32(4, count, true);
	}
	containers.forEach((container, i) => {
		const { key, kind, cardinality } = container;
		const offset = offsets[i] as number;
		if (kind === "runs") {
			const flag = 4 + (i >>> 3);
			bytes[flag] = (bytes[flag] ?? 0) | (1 << (i & 7));
		}
		view.setUint16(header + i * 4, key, true);
		view.setUint16(header + i * 4 + 2, cardinality - 1, true);
		if (withOffsets) view.setUint32(header + count * 4 + i * 4, offset, true);
		packContainer(view, offset, container, values);
	});
	return bytes;
}

function countRuns(view: DataView, start: number, runs: number): number {
	let cardinality = 0;
	let next = 0;
	for (let i = 0; i < runs; i++) {
		const first = view.getUint16(start + i * 4, true);
		const length = view.getUint16(start + i * 4 + 2, true) + 1;
		if (first < next || first + length > 65_536)
			throw invalid(`has a run of ${length} from ${first} before ${next}`);
		next = first + length;
		cardinality += length;
	}
	return cardinality;
}

function countArray(view: DataView, start: number, length: number): number {
	let previous = -1;
	for (let i = 0; i < length; i++) {
		const value = view.getUint16(start + i * 2, true);
		if (value <= previous) throw invalid(`has ${value} after ${previous}`);
		previous = value;
	}
	return length;
}

function countBits(view: DataView, start: number): number {
	let cardinality = 0;
	for (let at = start; at < start + BITSET_BYTES; at += 4) {
		let word = view.getUint32(at, true);
		word -= (word >>> 1) & 0x5555_5555;
		word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333);
		cardinality +=
			Math.imul((word + (word >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
	}
	return cardinality;
}

function unpackContainer(
	view: DataView,
	{ key, kind, cardinality, start }: Container,
	out: Uint32Array,
	from: number,
): number {
	const base = key * 65_536;
	const end = from + cardinality;
	let next = from;
	switch (kind) {
		case "runs":
			for (let at = start; next < end; at += 4) {
				const first = base + view.getUint16(at, true);
				const last = first + view.getUint16(at + 2, true);
				for (let value = first; value <= last; value++) out[next++] = value;
			}
			break;
		case "array":
			for (let at = start; next < end; at += 2)
				out[next++] = base + view.getUint16(at, true);
			break;
		case "bits":
			for (let at = start, first = base; next < end; at += 4, first += 32) {
				let word = view.getUint32(at, true);
				while (word !== 0) {
					const lowest = word & -word;
					out[next++] = first + 31 - Math.clz32(lowest);
					word ^= lowest;
				}
			}
			break;
	}
	return end;
}

function containerSize(container: {
	readonly kind: Container["kind"];
	readonly cardinality: number;
	readonly runs: number;
}): number {
	switch (container.kind) {
		case "runs":
			return 2 + container.runs * 4;
		case "array":
			return container.cardinality * 2;
		case "bits":
			return BITSET_BYTES;
	}
}

function packContainer(
	view: DataView,
	offset: number,
	container: Container & { readonly runs: number },
	values: Uint32Array,
): void {
	const { kind, cardinality, start, runs } = container;
	const low = (i: number): number => (values[i] as number) & 0xffff;
	const end = start + cardinality;
	let at = offset;
	switch (kind) {
		case "runs":
			view.setUint16(at, runs, true);
			at += 2;
			for (let i = start; i < end; ) {
				const first = low(i);
				let length = 1;
				while (i + length < end && low(i + length) === first + length) length++;
				view.setUint16(at, first, true);
				view.setUint16(at + 2, length - 1, true);
				at += 4;
				i += length;
			}
			break;
		case "array":
			for (let i = start; i < end; i++, at += 2)
				view.setUint16(at, low(i), true);
			break;
		case "bits":
			for (let i = start; i < end; i++) {
				const value = low(i);
				const byte = at + (value >>> 3);
				view.setUint8(byte, view.getUint8(byte) | (1 << (value & 7)));
			}
			break;
	}
}

function invalid(message: string): DeltaError {
	return new DeltaError(
		"DELTA_DELETION_VECTOR_INVALID",
		`a deletion vector's bitmap ${message}`,
	);
}
