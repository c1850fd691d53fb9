import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ISocketFactory } from "kafkajs";
import { MemoryPool } from "../columnar/memory-pool.ts";
import { TributaryError } from "../errors.ts";

/*
 * What a broker sends are frames: a size of what follows, int32 big-endian, then so many bytes. kafkajs
 * would collect the pieces of 64 KiB that sockets read, and join them. Fetched megabytes come once as
 * garbage then and once as the answer, and V8 collects all of its heap for every 64 MB of such memory.
 * Here a socket reads into the frame itself, and a frame that nothing needs any more is read into again.
 */
const HEADER = 4;
/** Smaller frames are not worth keeping. */
const SMALLEST_KEPT = 256 * 1024;
/** What a process keeps that is not in use. */
const KEPT_BYTES = 32 * 2 ** 20;
const LARGEST = 2 ** 30;
const KEEP_ALIVE_MS = 60_000;

/** Buffers of frames, used again once everything that was read of them was given back. */
export function newFramePool(): MemoryPool {
	return new MemoryPool({
		smallest: SMALLEST_KEPT,
		most: KEPT_BYTES,
		wipes: false,
	});
}

/** Puts a stream of bytes into frames. */
export class FrameReader {
	readonly #pool: MemoryPool;
	readonly #emit: (frame: Buffer) => void;
	readonly #header = Buffer.alloc(HEADER);
	#frame: Buffer | undefined;
	#at = 0;
	#end = HEADER;

	/** `emit` gets whole frames with their size. */
	constructor(pool: MemoryPool, emit: (frame: Buffer) => void) {
		this.#pool = pool;
		this.#emit = emit;
	}

	/** Where the next bytes have to be put. */
	room(): Buffer {
		return (this.#frame ?? this.#header).subarray(this.#at, this.#end);
	}

	/**
	 * So many bytes were put there.
	 * @throws TributaryError KAFKA_ANSWER_INVALID for a size that no answer has
	 */
	took(count: number): void {
		this.#at += count;
		if (this.#at < this.#end) return;
		const frame = this.#frame;
		if (frame === undefined) {
			const size = this.#header.readInt32BE();
			if (size < 0 || size > LARGEST)
				throw new TributaryError(
					"KAFKA_ANSWER_INVALID",
					`a frame of ${size} bytes: kafka.bootstrapServers names something else than a Kafka listener without TLS`,
				);
			this.#end = HEADER + size;
			this.#frame = Buffer.from(this.#pool.take(this.#end));
			this.#header.copy(this.#frame);
			if (size > 0) return;
		}
		const whole = (this.#frame as Buffer).subarray(0, this.#end);
		this.#frame = undefined;
		this.#at = 0;
		this.#end = HEADER;
		this.#emit(whole);
	}
}

/** Sockets that give kafkajs whole frames; those with TLS give what TLS makes of them. */
export function frameSockets(pool: MemoryPool): ISocketFactory {
	return ({ host, port, ssl, onConnect }) => {
		const frames = new FrameReader(pool, (frame) => socket.emit("data", frame));
		const socket: Socket = ssl
			? connectTls(
					{ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl },
					onConnect,
				)
			: connect(
					{
						host,
						port,
						onread: {
							buffer: () => frames.room(),
							callback: (count) => {
								try {
									frames.took(count);
								} catch (error) {
									socket.destroy(error as Error);
									return false;
								}
								return true;
							},
						},
					},
					onConnect,
				);
		socket.setKeepAlive(true, KEEP_ALIVE_MS);
		return socket;
	};
}
