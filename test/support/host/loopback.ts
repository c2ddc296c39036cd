/** Ports and servers of the loopback device. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** A port of the loopback device that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Requests a page until it is served. A server listens only some time after its start, and a proxy may listen
 * before its server.
 */
export async function untilServed(url: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch(url);
      if (response.ok) return await response.text();
      throw new Error(`${url} answers ${response.status}`);
    } catch (thrown) {
      if (attempt === 100) throw thrown;
      await delay(50);
    }
  }
}
