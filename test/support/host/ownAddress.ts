/** Places that are reached as other machines are. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { onTestFinished } from "vitest";

/** An address of this machine that is not loopback. */
export function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal }) => family === "IPv4" && !internal);
  if (found === undefined) throw new Error("this machine has no address but loopback");
  return found.address;
}

/**
 * A port at which a server answers every connection with a page, until the end of the present test.
 * @param addresses those of this machine at which it listens
 */
export async function listeningPort(addresses: "IPv4" | "all" = "IPv4"): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserved");
  }).listen(0, addresses === "all" ? undefined : "0.0.0.0");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
