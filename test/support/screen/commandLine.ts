/** Runs the program as a child process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "../host/temporaryFolder.ts";
import { compileCache, programEntry } from "../plugin/pluginEntry.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves with the output once it contains the text. */
  seen(expected: string, stream?: "stdout" | "stderr"): Promise<string>;
  /** The pid of the plugin that the program launched. */
  plugin(): number;
}

export interface CallOptions {
  /** The program and its first arguments. Default: the sources, run by this Node. */
  readonly program?: readonly string[];
  readonly cwd?: string;
  /** Whether to run the program without root rights. */
  readonly unprivileged?: boolean;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the program. All its processes end with the test. */
export function start(args: readonly string[], given: CallOptions = {}): Started {
  const { program, input, env = {}, unprivileged = false, ...options } = given;
  // In a user namespace without mappings, the program can read the checkout even if only root may.
  const wrapper = unprivileged ? ["unshare", "--user"] : [];
  const [command = "", ...rest] = [...wrapper, ...(program ?? [process.execPath, programEntry]), ...args];
  const child = spawn(command, rest, {
    ...options,
    env: {
      PATH: process.env.PATH,
      // The executable has its code compiled.
      ...(program === undefined && { NODE_COMPILE_CACHE: compileCache }),
      ...env,
    },
    stdio: "pipe",
  });
  child.stdin.end(input);
  const shown = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    // A chunk may end in the middle of a character.
    const decoder = new TextDecoder();
    child[stream].on("data", (chunk: Buffer) => {
      shown[stream] += decoder.decode(chunk, { stream: true });
    });
  }
  const ended = once(child, "close").then(([code]): Ended => ({ code, ...shown }));
  onTestFinished(async () => {
    // Two signals, because `run` stops its tasks after the first one, and kills them after the second.
    child.kill("SIGINT");
    child.kill("SIGTERM");
    await ended;
  });
  return {
    child,
    ended,
    seen: async (expected, stream = "stdout") => {
      while (!shown[stream].includes(expected)) {
        const more = await Promise.race([once(child[stream], "data").then(() => undefined), ended]);
        if (more && !shown[stream].includes(expected)) {
          throw new Error(`it ended without ${JSON.stringify(expected)}: ${JSON.stringify(more)}`);
        }
      }
      return shown[stream];
    },
    plugin: () => {
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")
        .trim()
        .split(" ");
      const [only, second] = children.map(Number);
      if (!only || second) throw new Error(`one child is expected, not ${children}`);
      return only;
    },
  };
}

export async function call(args: readonly string[], options?: CallOptions): Promise<Ended> {
  return start(args, options).ended;
}

/** The path of a job file in a new folder. */
export function jobFileOf(content: string): string {
  const path = join(temporaryFolder(), "job.nomad.hcl");
  writeFileSync(path, content);
  return path;
}

/** A job of one task that runs a shell script. */
export function shellJob(script: string, more = ""): string {
  return jobFileOf(`job "test" {
  group "group" {
    task "task" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", ${JSON.stringify(script).replaceAll(/[$%]\{/g, (opening) => opening[0] + opening)}]
      }
      ${more}
    }
  }
}
`);
}
