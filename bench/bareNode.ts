/**
 * Measures how long a bare Node process takes to spawn `/bin/true`: the baseline of starts. A separate
 * process does this, because a large process takes longer: the bench itself would take three times as long.
 */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);

export class BareNode {
  readonly #child = fork(self);

  /** Milliseconds from the spawn to the end of `/bin/true`. */
  async spawn(): Promise<number> {
    this.#child.send("spawn");
    const [ms] = await once(this.#child, "message");
    return ms as number;
  }

  async close(): Promise<void> {
    this.#child.disconnect();
    await once(this.#child, "exit");
  }
}

if (process.argv[1] === self) {
  process.on("message", async () => {
    const begin = performance.now();
    await once(spawn("/bin/true", { stdio: "ignore" }), "exit");
    process.send?.(performance.now() - begin);
  });
}
