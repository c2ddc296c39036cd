/**
 * Measures from outside how long the turns of a Node process's event loop take. SIGUSR1 opens V8's inspector
 * of that process. Through the inspector, scripts are run in it.
 */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";

const port = 9229;
const resolutionMs = 1;

/** Node's own histogram of timer delays. Only one process at a time can be measured. */
export class EventLoopDelay {
  readonly #process: InspectedProcess;

  private constructor(process: InspectedProcess) {
    this.#process = process;
  }

  /** Begins to measure. */
  static async of(pid: number): Promise<EventLoopDelay> {
    const measured = new EventLoopDelay(await InspectedProcess.of(pid));
    await measured.#process.evaluate(
      `globalThis.delays = process.getBuiltinModule("node:perf_hooks")
         .monitorEventLoopDelay({ resolution: ${resolutionMs} }), delays.enable()`,
    );
    return measured;
  }

  /** Ends the measurement. @returns delays beyond the timer's interval, in milliseconds */
  async close(): Promise<{ readonly max: number; readonly p99: number }> {
    const [max = 0, p99 = 0] = (await this.#process.evaluate(
      `delays.disable(), [delays.max, delays.percentile(99)].map((ns) => ns / 1e6)`,
    )) as number[];
    await this.#process.close();
    return { max: max - resolutionMs, p99: p99 - resolutionMs };
  }
}

/**
 * The processor time of the main thread between two turns of a timer, which other programs on the host do not change.
 * Only one process at a time can be measured.
 */
export class TurnTime {
  readonly #process: InspectedProcess;

  private constructor(process: InspectedProcess) {
    this.#process = process;
  }

  static async of(pid: number): Promise<TurnTime> {
    const measured = new TurnTime(await InspectedProcess.of(pid));
    await measured.#process.evaluate(
      `globalThis.turns = { longest: 0, used: () => { const { user, system } = process.threadCpuUsage(); return user + system } },
         turns.last = turns.used(),
         turns.timer = setInterval(() => {
           const now = turns.used();
           turns.longest = Math.max(turns.longest, now - turns.last);
           turns.last = now;
         }, ${resolutionMs}), 0`,
    );
    return measured;
  }

  /** @returns the longest turn since the last call, in milliseconds */
  async longest(): Promise<number> {
    const expression = `[turns.longest, (turns.longest = 0, turns.last = turns.used())][0] / 1e3`;
    return (await this.#process.evaluate(expression)) as number;
  }

  async close(): Promise<void> {
    await this.#process.evaluate(`clearInterval(turns.timer)`);
    await this.#process.close();
  }
}

class InspectedProcess {
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async of(pid: number): Promise<InspectedProcess> {
    process.kill(pid, "SIGUSR1");
    const socket = new WebSocket(await inspectorAddress());
    await once(socket, "open");
    return new InspectedProcess(socket);
  }

  async evaluate(expression: string): Promise<unknown> {
    // Ends the listeners of the event that does not come.
    const answered = new AbortController();
    const { signal } = answered;
    const answer = once(this.#socket, "message", { signal });
    this.#socket.send(
      JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression, returnByValue: true } }),
    );
    const ended = once(this.#socket, "close", { signal }).then(() => {
      throw new Error("the inspector ended");
    });
    ended.catch(() => undefined);
    answer.catch(() => undefined);
    try {
      const [text] = await Promise.race([answer, ended]);
      return JSON.parse(String(text)).result?.result?.value;
    } finally {
      answered.abort();
    }
  }

  async close(): Promise<void> {
    await this.evaluate(`process.getBuiltinModule("node:inspector").close()`).catch(() => undefined);
    this.#socket.close();
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
