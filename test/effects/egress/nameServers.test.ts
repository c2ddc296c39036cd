/** Name servers on ports of loopback, which answer as servers of the internet do, and as an attacker's does. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ask, hostServers } from "../../../src/effects/egress/nameServers.ts";
import { resolveName } from "../../../src/effects/egress/resolveName.ts";
import { serversOf } from "../../../src/effects/egress/serverList.ts";
import { addressRecord, answerTo, questionIn } from "../../support/host/dnsMessage.ts";

interface Behaviour {
  readonly udp?: (question: Buffer) => readonly Buffer[];
  readonly tcp?: (question: Buffer, socket: Socket) => void;
}

const record = (...address: number[]) => addressRecord(Buffer.from(address), 60);
const hasExtension = (question: Buffer) => question.readUInt16BE(10) === 1;

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** @returns its address, and the number of questions by UDP and TCP */
async function server({ udp = () => [], tcp = (_, socket) => socket.destroy() }: Behaviour) {
  const asked = { udp: 0, tcp: 0 };
  const listener = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (question: Buffer) => {
      asked.tcp += 1;
      tcp(question.subarray(2), socket);
    });
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const socket = createSocket("udp4");
  socket.on("message", (question, from) => {
    asked.udp += 1;
    for (const message of udp(question)) socket.send(message, from.port, from.address);
  });
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
  onTestFinished(() => {
    socket.close();
    listener.close();
  });
  return { address: `127.0.0.1:${port}`, asked };
}

const askAt = (...servers: string[]) =>
  ask("db.example.org", 1, { servers: serversOf(servers), rotates: false, byTcp: false });

describe("resolv.conf", () => {
  it("names the servers, also with a zone, and how they are asked", () => {
    const text = `# comment
search example.org
nameserver 10.0.0.53
 nameserver\tfe80::1%eth0
nameserver nonsense
options ndots:2 rotate
options use-vc edns0`;
    expect(hostServers(text)).toEqual({
      servers: [
        { host: "10.0.0.53", port: 53 },
        { host: "fe80::1%eth0", port: 53 },
      ],
      rotates: true,
      byTcp: true,
    });
    const own = { servers: [{ host: "127.0.0.1", port: 53 }], rotates: false, byTcp: false };
    expect(hostServers("")).toEqual(own);
  });
});

describe("a server", () => {
  it("answers by UDP, and what others send in between counts for nothing", async () => {
    const { address } = await server({
      udp: (question) => {
        const other = answerTo(question, 0x8180, [record(10, 6, 6, 6)]);
        other.writeUInt16BE(other.readUInt16BE() ^ 1);
        return [other, Buffer.of(1), answerTo(question, 0x8180, [record(10, 0, 0, 1)])];
      },
    });
    expect(await askAt(address)).toMatchObject({ addresses: ["10.0.0.1"], ttl: 60 });
  });

  it("is asked by TCP if its answer is cut", async () => {
    const { address, asked } = await server({
      udp: (question) => [answerTo(question, 0x8380, [])],
      tcp: (question, socket) => {
        const answer = framed(answerTo(question, 0x8180, [record(10, 0, 0, 1)]));
        for (const byte of answer) socket.write(Buffer.of(byte));
      },
    });
    expect(await askAt(address)).toMatchObject({ addresses: ["10.0.0.1"] });
    expect(asked).toEqual({ udp: 1, tcp: 1 });
  });

  it("that goes on sending is not listened to", async () => {
    const closed = Promise.withResolvers<void>();
    const many = Array.from({ length: 4_000 }, () => record(10, 0, 0, 1));
    const { address } = await server({
      udp: (question) => [answerTo(question, 0x8380, [])],
      tcp: (question, socket) => {
        socket.on("close", () => closed.resolve());
        // Never the whole answer.
        socket.write(framed(answerTo(question, 0x8180, many)).subarray(0, 20_000));
      },
    });
    const answer = await askAt(address);
    expect(answer).toMatchObject({ addresses: ["10.0.0.1"] });
    await closed.promise;
  });

  it("that knows no extensions is asked without them", async () => {
    const { address, asked } = await server({
      udp: (question) =>
        hasExtension(question)
          ? [answerTo(question, 0x8181, []).subarray(0, 12)].map((header) => {
              header.writeUInt16BE(0, 4);
              return header;
            })
          : [answerTo(question, 0x8180, [record(10, 0, 0, 1)])],
    });
    expect(await askAt(address)).toMatchObject({ addresses: ["10.0.0.1"] });
    expect(asked.udp).toBe(2);
  });

  it.each([
    ["fails", 0x8182, "failed"],
    ["refuses", 0x8185, "refused"],
  ])("that %s is followed by the next one", async (_what, flags, failure) => {
    const bad = await server({ udp: (question) => [answerTo(question, flags, [])] });
    const good = await server({ udp: (question) => [answerTo(question, 0x8180, [record(10, 0, 0, 1)])] });
    expect(await askAt(bad.address, good.address)).toMatchObject({ addresses: ["10.0.0.1"] });
    expect(await askAt(bad.address)).toBe(failure);
    expect(bad.asked.udp).toBe(4);
  });

  it("that is not there, or closes, or sends nonsense, says why nobody answers", async () => {
    expect(await askAt("127.0.0.1:1")).toBe("unreachable");
    const cut = (question: Buffer) => [answerTo(question, 0x8380, [])];
    expect(await askAt((await server({ udp: cut })).address)).toBe("unreachable");
    const nonsense = await server({
      udp: cut,
      tcp: (_, socket) => socket.write(Buffer.alloc(100, 1)) && socket.end(),
    });
    expect(await askAt(nonsense.address)).toBe("unreachable");
    const half = await server({
      udp: (question) => [answerTo(question, 0x8180, [record(10, 0, 0, 1)]).subarray(0, -1)],
    });
    expect(await askAt(half.address)).toBe("unreadable");
  });

  it("that knows the name has the last word, also if it has no address", async () => {
    const none = await server({ udp: (question) => [answerTo(question, 0x8183, [])] });
    const good = await server({ udp: (question) => [answerTo(question, 0x8180, [record(10, 0, 0, 1)])] });
    expect(await askAt(none.address, good.address)).toMatchObject({ code: 3, addresses: [] });
  });
});

describe("a name", () => {
  it("has addresses of both kinds, 64 at most", async () => {
    const { address } = await server({
      udp: (question) => {
        const { type } = questionIn(question);
        const count = type === 1 ? 60 : 10;
        const address = (last: number) =>
          Buffer.concat([
            Buffer.of(type === 1 ? 10 : 0xfd),
            Buffer.alloc(type === 1 ? 2 : 14),
            Buffer.of(last),
          ]);
        const records = Array.from({ length: count }, (_, index) =>
          addressRecord(address(index), 30 + index),
        );
        return [answerTo(question, 0x8180, records)];
      },
    });
    const { addresses, unused, ttlMs } = await resolveName("db.example.org", [address]);
    expect(addresses).toHaveLength(64);
    expect(addresses.slice(58, 62)).toEqual(["10.0.0.58", "10.0.0.59", "fd00::", "fd00::1"]);
    expect([unused, ttlMs]).toEqual([6, 30_000]);
  });

  it.each([
    ["there is no such name", 0x8183],
    ["it has no address", 0x8180],
    ["the name server failed (SERVFAIL)", 0x8182],
  ])("without an address says why: %s", async (reason, flags) => {
    const { address } = await server({ udp: (question) => [answerTo(question, flags, [])] });
    await expect(resolveName("db.example.org", [address])).rejects.toThrow(reason);
  });

  it("is not asked of the host's servers if those of its task are no addresses", async () => {
    await expect(resolveName("localhost", ["nonsense"])).rejects.toThrow("no name server could be reached");
  });
});
