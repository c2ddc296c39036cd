/** Calls of a cluster's HTTP API: those of a server, and those of the client about its allocations. */
import { setTimeout as delay } from "node:timers/promises";
import WebSocket from "ws";
import type { z } from "zod";
import { nomadAddress } from "../../../src/fleet/nomadAddress.ts";
import { NomadApi, type Query } from "../../../src/fleet/nomadApi.ts";
import { execMessage } from "./answers.ts";

export interface AgentAddresses {
  readonly server: string;
  readonly client: string;
}

export interface ExecOptions {
  readonly tty?: boolean;
  readonly input?: string;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How long a state may stay away. Agents in an emulated machine take a minute to become ready. */
const limitMs = 120_000;

export class AgentApi {
  readonly #addresses: AgentAddresses;
  readonly #reader: NomadApi;

  constructor(addresses: AgentAddresses) {
    this.#addresses = addresses;
    this.#reader = new NomadApi(nomadAddress({ NOMAD_ADDR: addresses.server }));
  }

  /**
   * Waits by blocking queries until an answer has what is looked for.
   * @param find returns undefined as long as it is not there
   * @param what for the error
   * @throws Error with the last answer if it does not come in time
   */
  async until<S extends z.ZodType, T>(
    path: string,
    schema: S,
    find: (body: z.infer<S>) => T | undefined,
    what: string,
    query: Query = {},
  ): Promise<T> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const { body, index } = await this.#reader.get(path, schema, query);
      const found = find(body);
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      const changed = this.#reader.changed(path, schema, query, index);
      changed.catch(() => undefined);
      const isOver = left <= 0 || (await inTime(changed, left)) === undefined;
      if (isOver) throw new Error(`not after ${limitMs / 1_000} s: ${what}: ${JSON.stringify(body)}`);
    }
  }

  /** @throws Error with Nomad's text if it refuses */
  async post(path: string, body: unknown, role: keyof AgentAddresses = "server"): Promise<unknown> {
    return this.#send(role, path, { method: "POST", body: JSON.stringify(body) });
  }

  async delete(path: string): Promise<unknown> {
    return this.#send("server", path, { method: "DELETE" });
  }

  /** An answer of the client itself, such as the statistics of an allocation. */
  async ofClient<S extends z.ZodType>(path: string, schema: S): Promise<z.infer<S>> {
    return schema.parse(await this.#send("client", path, {}));
  }

  /** @returns the registered job's id */
  async register(hcl: string): Promise<string> {
    const job = await this.post("/v1/jobs/parse", { JobHCL: hcl, Canonicalize: true });
    await this.post("/v1/jobs", { Job: job });
    return (job as { readonly ID: string }).ID;
  }

  /**
   * Follows a task's standard output until it has a text. The client knows a log only some 0.3 s after the state of
   * the task, and nothing tells when: until then it is asked again.
   * @returns all output so far
   */
  async output(allocation: string, pattern: RegExp): Promise<string> {
    const query = "task=t&type=stdout&plain=true&follow=true&origin=start&offset=0";
    const url = `${this.#addresses.client}/v1/client/fs/logs/${allocation}?${query}`;
    const signal = AbortSignal.timeout(limitMs);
    let text = "";
    while (!signal.aborted) {
      const reading = new AbortController();
      try {
        const response = await fetch(url, { signal: AbortSignal.any([signal, reading.signal]) });
        text = "";
        const decoder = new TextDecoder();
        for await (const chunk of (response.ok && response.body) || []) {
          text += decoder.decode(chunk, { stream: true });
          if (pattern.test(text)) return text;
        }
      } catch (thrown) {
        if (!signal.aborted && !(thrown instanceof TypeError)) throw thrown;
      } finally {
        reading.abort();
      }
      await delay(100);
    }
    throw new Error(`no ${pattern} in the output after ${limitMs / 1_000} s: ${JSON.stringify(text)}`);
  }

  /** Runs a command in a task as `nomad alloc exec` does. */
  async exec(
    allocation: string,
    command: readonly string[],
    { tty = false, input }: ExecOptions = {},
  ): Promise<ExecResult> {
    const query = new URLSearchParams({ task: "t", tty: String(tty), command: JSON.stringify(command) });
    const url = `${this.#addresses.client.replace(/^http/, "ws")}/v1/client/allocation/${allocation}/exec?${query}`;
    const socket = new WebSocket(url);
    const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
    const output = { stdout: "", stderr: "" };
    const send = (message: object) => socket.send(JSON.stringify(message));
    socket.on("open", () => {
      if (tty) send({ tty_size: { height: 24, width: 80 } });
      if (input !== undefined) send({ stdin: { data: Buffer.from(input).toString("base64") } });
      if (!tty) send({ stdin: { close: true } });
    });
    socket.on("message", (data) => {
      const { stdout, stderr, exited, result } = execMessage.parse(JSON.parse(String(data)));
      output.stdout += Buffer.from(stdout?.data ?? "", "base64").toString();
      output.stderr += Buffer.from(stderr?.data ?? "", "base64").toString();
      if (exited) resolve({ exitCode: result?.exit_code ?? 0, ...output });
    });
    socket.on("error", reject);
    socket.on("close", (code, reason) => reject(new Error(`the connection was closed (${code}): ${reason}`)));
    try {
      const result = await inTime(promise, limitMs);
      if (result === undefined) throw new Error(`no end of ${command.join(" ")}: ${JSON.stringify(output)}`);
      return result;
    } finally {
      socket.terminate();
    }
  }

  close(): void {
    this.#reader.close();
  }

  async #send(role: keyof AgentAddresses, path: string, init: RequestInit): Promise<unknown> {
    const response = await fetch(this.#addresses[role] + path, {
      ...init,
      signal: AbortSignal.timeout(limitMs),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${init.method ?? "GET"} ${path} answers with ${response.status}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }
}

/** @returns undefined if the promise is not settled in time */
async function inTime<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  const timer = new AbortController();
  const late = delay(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
