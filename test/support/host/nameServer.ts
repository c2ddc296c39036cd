/** A small name server. */
import { createSocket } from "node:dgram";
import { onTestFinished } from "vitest";
import { addressRecord, answerTo, questionIn } from "./dnsMessage.ts";

/**
 * A name server that knows these names, until the end of the present test.
 * @param host an address of this machine, where it has a port of its own; by default one of loopback with port 53
 * @returns its address as a `dns` block has it, and the names that it was asked for
 */
export function nameServer(known: Readonly<Record<string, string>>, host?: string) {
  let names = known;
  const asked: string[] = [];
  const [ip, port] = host === undefined ? [`127.77.${below(250)}.${1 + below(250)}`, 53] : [host, freePort()];
  const socket = createSocket("udp4");
  socket.on("message", (question, from) => {
    const { name, type } = questionIn(question);
    asked.push(name);
    const found = names[name];
    const records = type === 1 && found !== undefined ? [addressRecord(bytesOf(found), 60)] : [];
    // An answer, with recursion; 3 stands for a name that does not exist.
    const flags = 0x8180 | (found === undefined ? 3 : 0);
    socket.send(answerTo(question, flags, records), from.port, from.address);
  });
  socket.bind(port, ip);
  onTestFinished(() => void socket.close());
  const set = (others: typeof known) => {
    names = others;
  };
  return { address: port === 53 ? ip : `${ip}:${port}`, asked, set };
}

function below(end: number): number {
  return Math.floor(Math.random() * end);
}

/** Below the ports that connections get: ip(7). */
function freePort(): number {
  return 20_000 + below(12_000);
}

function bytesOf(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number));
}
