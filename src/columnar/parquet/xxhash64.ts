/*
 * XXH64 (xxhash_spec.md, "XXH64 Algorithm Description") with seed 0, in 32-bit halves: BigInt would
 * cost an object for each step.
 *
 *   32 bytes or more   four lanes, each a round over every fourth of 8 bytes; merged into one
 *   rest               words of 8, one of 4, then single bytes
 *   at last            an avalanche of shifts and multiplications
 */

/** A 64-bit hash: `low` and `high` as int32. */
export interface Hash64 {
	low: number;
	high: number;
}

const P1_LOW = 0x85ebca87 | 0;
const P1_HIGH = 0x9e3779b1 | 0;
const P2_LOW = 0x27d4eb4f | 0;
const P2_HIGH = 0xc2b2ae3d | 0;
const P3_LOW = 0x9e3779f9 | 0;
const P3_HIGH = 0x165667b1 | 0;
const P4_LOW = 0xc2b2ae63 | 0;
const P4_HIGH = 0x85ebca77 | 0;
const P5_LOW = 0x165667c5 | 0;
const P5_HIGH = 0x27d4eb2f | 0;

/** The number that the functions below change. */
let low = 0;
let high = 0;

/** Hashes `bytes[start…end)` of the view into `out`. */
export function xxhash64(
	view: DataView,
	start: number,
	end: number,
	out: Hash64,
): void {
	let at = start;
	if (end - start >= 32) {
		at = hashLanes(view, start, end);
	} else {
		low = P5_LOW;
		high = P5_HIGH;
	}
	add(end - start, 0);
	for (; at + 8 <= end; at += 8) {
		const [accLow, accHigh] = [low, high];
		low = 0;
		high = 0;
		round(view.getInt32(at, true), view.getInt32(at + 4, true));
		low ^= accLow;
		high ^= accHigh;
		rotate(27);
		multiply(P1_LOW, P1_HIGH);
		add(P4_LOW, P4_HIGH);
	}
	if (at + 4 <= end) {
		const [accLow, accHigh] = [low, high];
		low = view.getInt32(at, true);
		high = 0;
		multiply(P1_LOW, P1_HIGH);
		low ^= accLow;
		high ^= accHigh;
		rotate(23);
		multiply(P2_LOW, P2_HIGH);
		add(P3_LOW, P3_HIGH);
		at += 4;
	}
	for (; at < end; at++) {
		const [accLow, accHigh] = [low, high];
		low = view.getUint8(at);
		high = 0;
		multiply(P5_LOW, P5_HIGH);
		low ^= accLow;
		high ^= accHigh;
		rotate(11);
		multiply(P1_LOW, P1_HIGH);
	}
	shiftedXor(33);
	multiply(P2_LOW, P2_HIGH);
	shiftedXor(29);
	multiply(P3_LOW, P3_HIGH);
	low ^= high;
	out.low = low;
	out.high = high;
}

/** Low and high halves of the four lanes. */
const lanes = new Int32Array(8);

/** Hashes all whole stripes of 32 bytes and says where they end. */
function hashLanes(view: DataView, start: number, end: number): number {
	low = P1_LOW;
	high = P1_HIGH;
	add(P2_LOW, P2_HIGH);
	lanes[0] = low;
	lanes[1] = high;
	lanes[2] = P2_LOW;
	lanes[3] = P2_HIGH;
	lanes[4] = 0;
	lanes[5] = 0;
	low = ~P1_LOW;
	high = ~P1_HIGH;
	add(1, 0);
	lanes[6] = low;
	lanes[7] = high;
	let at = start;
	for (; at + 32 <= end; at += 32) {
		for (let lane = 0; lane < 8; lane += 2) {
			low = lanes[lane] as number;
			high = lanes[lane + 1] as number;
			const word = at + lane * 4;
			round(view.getInt32(word, true), view.getInt32(word + 4, true));
			lanes[lane] = low;
			lanes[lane + 1] = high;
		}
	}
	let [sumLow, sumHigh] = [0, 0];
	[1, 7, 12, 18].forEach((bits, lane) => {
		low = lanes[lane * 2] as number;
		high = lanes[lane * 2 + 1] as number;
		rotate(bits);
		add(sumLow, sumHigh);
		[sumLow, sumHigh] = [low, high];
	});
	for (let lane = 0; lane < 8; lane += 2) {
		low = 0;
		high = 0;
		round(lanes[lane] as number, lanes[lane + 1] as number);
		low ^= sumLow;
		high ^= sumHigh;
		multiply(P1_LOW, P1_HIGH);
		add(P4_LOW, P4_HIGH);
		sumLow = low;
		sumHigh = high;
	}
	return at;
}

/** Mixes a word into the number. */
function round(wordLow: number, wordHigh: number): void {
	const [accLow, accHigh] = [low, high];
	low = wordLow;
	high = wordHigh;
	multiply(P2_LOW, P2_HIGH);
	add(accLow, accHigh);
	rotate(31);
	multiply(P1_LOW, P1_HIGH);
}

function add(otherLow: number, otherHigh: number): void {
	const sum = (low >>> 0) + (otherLow >>> 0);
	high = (high + otherHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
	low = sum | 0;
}

function multiply(otherLow: number, otherHigh: number): void {
	const [a, b] = [low & 0xffff, low >>> 16];
	const [c, d] = [otherLow & 0xffff, otherLow >>> 16];
	const ac = a * c;
	const middle = a * d + (ac >>> 16);
	const other = b * c + (middle & 0xffff);
	const carried = b * d + (middle >>> 16) + (other >>> 16);
	high = (carried + Math.imul(low, otherHigh) + Math.imul(high, otherLow)) | 0;
	low = ((other & 0xffff) << 16) | (ac & 0xffff);
}

/** Rotates left by fewer than 32 bits. */
function rotate(bits: number): void {
	const turned = (low << bits) | (high >>> (32 - bits));
	high = (high << bits) | (low >>> (32 - bits));
	low = turned;
}

/** Xors the number with itself shifted right by 29 or 33 bits. */
function shiftedXor(bits: 29 | 33): void {
	if (bits === 33) {
		low ^= high >>> 1;
		return;
	}
	low ^= (low >>> 29) | (high << 3);
	high ^= high >>> 29;
}
