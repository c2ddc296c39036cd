/** Pages of servers that tasks are. */
import { setTimeout as delay } from "node:timers/promises";

/** The page, once it is there: a server listens some time after its start, and a proxy before what it stands for. */
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
