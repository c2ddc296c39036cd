/** A command in a task, as an agent runs it for `nomad alloc exec`. */
import type { ClientDuplexStream } from "@grpc/grpc-js";
import type {
  ExecTaskStreamingRequest,
  ExecTaskStreamingResponse,
  ExitResult,
} from "../../../src/grpc/generated/nomad/driver.ts";
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";

export interface ExecCallOptions {
  readonly tty?: boolean;
  readonly size?: { readonly height: number; readonly width: number };
}

export class ExecCall {
  readonly #call: ClientDuplexStream<ExecTaskStreamingRequest, ExecTaskStreamingResponse>;
  readonly #waiting = new Set<() => void>();
  /** The messages without output, such as `stdout.close`, in their order. */
  readonly marks: string[] = [];
  readonly #output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  /** Resolves with the result, rejects if the call fails. */
  readonly result: Promise<ExitResult | undefined>;

  constructor(
    { driver }: PluginConnection,
    taskId: string,
    command: readonly string[],
    { tty = false, size }: ExecCallOptions = {},
  ) {
    this.#call = driver.execTaskStreaming();
    let result: ExitResult | undefined;
    this.#call.on("data", (response: ExecTaskStreamingResponse) => {
      for (const name of ["stdout", "stderr"] as const) {
        const operation = response[name];
        if (operation?.data.length) this.#output[name].push(operation.data);
        if (operation?.close) this.marks.push(`${name}.close`);
      }
      if (response.exited) {
        this.marks.push("exited");
        result = response.result;
      }
      for (const look of this.#waiting) look();
    });
    this.result = new Promise((resolve, reject) => {
      this.#call.on("error", reject).on("end", () => resolve(result));
    });
    this.result.catch(() => undefined);
    this.send({ setup: { taskId, command: [...command], tty } });
    if (size) this.send({ ttySize: size });
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#output.stdout);
  }

  get stderr(): Buffer {
    return Buffer.concat(this.#output.stderr);
  }

  send(request: ExecTaskStreamingRequest): void {
    this.#call.write(request);
  }

  type(text: string | Buffer): this {
    this.send({ stdin: { data: Buffer.from(text), close: false } });
    return this;
  }

  /** Closes the input. */
  closeInput(): this {
    this.send({ stdin: { data: Buffer.alloc(0), close: true } });
    return this;
  }

  resize(height: number, width: number): void {
    this.send({ ttySize: { height, width } });
  }

  cancel(): void {
    this.#call.cancel();
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  /** Resolves once the output contains the text. */
  shows(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!this.stdout.includes(text)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      const ended = () => reject(new Error(`it ended without ${JSON.stringify(text)}: ${this.stdout}`));
      this.result.then(ended, ended);
      look();
    });
  }
}

/** Runs a shell script in a task, without input, to its end. */
export async function execScript(
  plugin: PluginConnection,
  taskId: string,
  script: string,
  options?: ExecCallOptions,
): Promise<ExecCall> {
  const call = new ExecCall(plugin, taskId, ["sh", "-c", script], options);
  if (!options?.tty) call.closeInput();
  await call.result;
  return call;
}
