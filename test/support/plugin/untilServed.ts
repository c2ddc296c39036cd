/** Pages of servers that run as tasks. */
import { setTimeout as delay } from "node:timers/promises";

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
