/** A small name server. */
import { createSocket } from "node:dgram";
import { onTestFinished } from "vitest";

/** A name server on loopback that knows these names, until the end of the present test. */
export function nameServer(known: Readonly<Record<string, string>>) {
  let names = known;
  const address = `127.77.${Math.floor(Math.random() * 250)}.${1 + Math.floor(Math.random() * 250)}`;
  const socket = createSocket("udp4");
  socket.on("message", (question, from) => {
    const labels: string[] = [];
    let at = 12;
    while (question[at] !== 0) {
      const length = question[at] ?? 0;
      labels.push(question.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const isFour = question.readUInt16BE(at + 1) === 1;
    const found = names[labels.join(".")];
    const answer = isFour && found !== undefined;
    const header = Buffer.from(question.subarray(0, 12));
    // An answer, with recursion; 3 stands for a name that does not exist: RFC 1035, 4.1.1.
    header.writeUInt16BE(0x8180 | (found === undefined ? 3 : 0), 2);
    header.writeUInt16BE(answer ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    const record = Buffer.from([
      0xc0,
      12,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      60,
      0,
      4,
      ...(found ?? "0.0.0.0").split(".").map(Number),
    ]);
    const parts = [header, question.subarray(12, at + 5), ...(answer ? [record] : [])];
    socket.send(Buffer.concat(parts), from.port, from.address);
  });
  socket.bind(53, address);
  onTestFinished(() => void socket.close());
  const set = (others: typeof known) => {
    names = others;
  };
  return { address, set };
}
