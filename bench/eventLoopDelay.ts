/**
 * Measures from outside how long the turns of a Node process's event loop take. SIGUSR1 opens V8's inspector
 * of that process. Through the inspector, Node's own histogram of timer delays is read.
 */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";

const port = 9229;
const resolutionMs = 1;

export class EventLoopDelay {
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Begins to measure. Only one process at a time can be measured. */
  static async of(pid: number): Promise<EventLoopDelay> {
    process.kill(pid, "SIGUSR1");
    const socket = new WebSocket(await inspectorAddress());
    await once(socket, "open");
    const measured = new EventLoopDelay(socket);
    await measured.#evaluate(
      `globalThis.delays = process.getBuiltinModule("node:perf_hooks")
         .monitorEventLoopDelay({ resolution: ${resolutionMs} }), delays.enable()`,
    );
    return measured;
  }

  /** Ends the measurement. @returns delays beyond the timer's interval, in milliseconds */
  async close(): Promise<{ readonly max: number; readonly p99: number }> {
    const [max = 0, p99 = 0] = (await this.#evaluate(
      `delays.disable(), [delays.max, delays.percentile(99)].map((ns) => ns / 1e6)`,
    )) as number[];
    await this.#evaluate(`process.getBuiltinModule("node:inspector").close()`).catch(() => undefined);
    this.#socket.close();
    return { max: max - resolutionMs, p99: p99 - resolutionMs };
  }

  async #evaluate(expression: string): Promise<unknown> {
    const answer = once(this.#socket, "message");
    this.#socket.send(
      JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression, returnByValue: true } }),
    );
    const ended = once(this.#socket, "close").then(() => Promise.reject(new Error("the inspector ended")));
    const [text] = await Promise.race([answer, ended]);
    return JSON.parse(String(text)).result?.result?.value;
  }
}

/** Waits until the inspector listens. @returns its address */
async function inspectorAddress(): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      const targets = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
      return (targets as { webSocketDebuggerUrl: string }[])[0]?.webSocketDebuggerUrl ?? "";
    } catch (thrown) {
      if (attempt === 100) throw thrown;
      await delay(20);
    }
  }
}
