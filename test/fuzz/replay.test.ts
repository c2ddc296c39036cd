/**
 * Runs the fuzz targets with the kept inputs, and with some hundred mutations of them, which are the same in
 * every run.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { messageOf } from "../../src/base/errors.ts";
import { randomOf } from "../crash/random.ts";
import { inputsOf } from "./corpus.ts";
import { mutated } from "./mutated.ts";
import { targetNames, targets } from "./targets.ts";

describe.each(targetNames)("%s", (name) => {
  const { fuzz } = targets[name];

  it("finds no defect with the kept inputs", async () => {
    const inputs = await inputsOf(name);
    expect(inputs.length).toBeGreaterThan(0);
    for (const input of inputs) await runWith(input, () => fuzz(input));
  });

  it("finds no defect with mutations of the kept inputs", { timeout: 60_000 }, async () => {
    const inputs = await inputsOf(name);
    const random = randomOf(4711);
    for (let count = 0; count < 150; count += 1) {
      const input = mutated(random.pick(inputs), random);
      await runWith(input, () => fuzz(input));
    }
  });
});

it("ends once the server that it has attacked is idle, because a listening process would never exit", () => {
  const program = `
    import { connections } from ${JSON.stringify(join(import.meta.dirname, "targets/inspector.ts"))};
    await connections.fuzz(Buffer.from("GET / HTTP/1.1"));
    console.log("fuzzed");`;
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(ended).toMatchObject({ status: 0, stdout: "fuzzed\n" });
});

/** Runs a target with an input. If the target fails, the error has the input, as a line for the corpus. */
async function runWith(input: Buffer, fuzz: () => void | Promise<void>): Promise<void> {
  try {
    await fuzz();
  } catch (thrown) {
    throw new Error(`with ${input.toString("base64")}: ${messageOf(thrown)}`, { cause: thrown });
  }
}
