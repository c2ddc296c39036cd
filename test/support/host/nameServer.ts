/** A small name server. */
import { createSocket } from "node:dgram";
import { onTestFinished } from "vitest";
import { addressRecord, answerTo, questionIn } from "./dnsMessage.ts";

/** A name server on loopback that knows these names, until the end of the present test. */
export function nameServer(known: Readonly<Record<string, string>>) {
  let names = known;
  const address = `127.77.${Math.floor(Math.random() * 250)}.${1 + Math.floor(Math.random() * 250)}`;
  const socket = createSocket("udp4");
  socket.on("message", (question, from) => {
    const { name, type } = questionIn(question);
    const found = names[name];
    const records = type === 1 && found !== undefined ? [addressRecord(bytesOf(found), 60)] : [];
    // An answer, with recursion; 3 stands for a name that does not exist.
    const flags = 0x8180 | (found === undefined ? 3 : 0);
    socket.send(answerTo(question, flags, records), from.port, from.address);
  });
  socket.bind(53, address);
  onTestFinished(() => void socket.close());
  const set = (others: typeof known) => {
    names = others;
  };
  return { address, set };
}

function bytesOf(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number));
}
