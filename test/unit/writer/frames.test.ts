import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import {
	FrameReader,
	frameSockets,
	newFramePool,
} from "../../../src/writer/frames.ts";

const servers: Server[] = [];

afterEach(async () => {
	for (const server of servers.splice(0)) server.close();
});

function frame(body: string): Buffer {
	const bytes = Buffer.from(`size${body}`);
	bytes.writeInt32BE(bytes.length - 4);
	return bytes;
}

test("frames are whole, however the stream is cut", () => {
	const sent = ["", "one", "x".repeat(300_000), "", "two"].map(frame);
	const stream = Buffer.concat(sent);
	for (const step of [1, 3, 4, 5, 65_536, stream.length]) {
		const got: Buffer[] = [];
		const reader = new FrameReader(newFramePool(), (one) =>
			got.push(Buffer.from(one)),
		);
		for (let at = 0; at < stream.length; ) {
			const room = reader.room();
			const count = Math.min(step, room.length, stream.length - at);
			stream.copy(room, 0, at, at + count);
			reader.took(count);
			at += count;
		}
		expect(got.map((one) => one.toString("latin1"))).toEqual(
			sent.map((one) => one.toString("latin1")),
		);
	}
});

test("what is no Kafka is an error that says so, not memory that is waited for", async () => {
	const server = createServer((socket) => {
		// The client goes away first.
		socket.on("error", () => {});
		socket.write("HTTP/1.1 400 Bad\r\n");
	});
	servers.push(server.listen(0, "127.0.0.1"));
	await once(server, "listening");
	const socket = frameSockets(newFramePool())({
		host: "127.0.0.1",
		port: (server.address() as AddressInfo).port,
		ssl: undefined as never,
		onConnect: () => {},
	});
	const [error] = await once(socket, "error");
	expect(error).toMatchObject({
		code: "KAFKA_ANSWER_INVALID",
		message: expect.stringContaining("a frame of 1213486160 bytes"),
	});
});

test("a broker's frames arrive in a socket's data, one by one", async () => {
	const bodies = ["a", "b".repeat(1_000_000), "c"];
	const server = createServer((socket) => {
		socket.on("error", () => {});
		for (const body of bodies) socket.write(frame(body));
		socket.end();
	});
	servers.push(server.listen(0, "127.0.0.1"));
	await once(server, "listening");
	const got: string[] = [];
	const socket = frameSockets(newFramePool())({
		host: "127.0.0.1",
		port: (server.address() as AddressInfo).port,
		ssl: undefined as never,
		onConnect: () => {},
	});
	socket.on("data", (data: Buffer) => got.push(data.toString("latin1", 4)));
	await once(socket, "end");
	socket.destroy();
	expect(got).toEqual(bodies);
});
