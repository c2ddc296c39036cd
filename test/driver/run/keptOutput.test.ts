// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what stands for a value
/** The end of a failed run's output is kept without secrets, wherever the room for it ends. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Secrets } from "../../../src/base/masking.ts";
import { keptBytes, keptOutput, lastOf } from "../../../src/driver/run/keptOutput.ts";
import type { TaskContext } from "../../../src/machines/taskContext.ts";
import { makeOutput } from "../../support/agent/taskOutput.ts";

const secret = "correct-horse-battery-staple";
const secrets = new Secrets({ PASSWORD: secret }, true);
const end = { endedAt: Date.now() - 1_000 };

function contextOf(texts: { readonly stdout?: string; readonly stderr?: string }, request = {}) {
  const output = makeOutput();
  for (const [stream, text] of Object.entries(texts))
    writeFileSync(join(output.folder, `web.${stream}.0`), text);
  const begin = { file: 0, bytes: 0 };
  return {
    request: { ...output.request, ...request },
    sandbox: { output: { stdout: begin, stderr: begin } },
  } as unknown as TaskContext;
}

describe("the kept output", () => {
  it("is the end of both streams, each with half of the room and what the other does not need", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 60 }),
        fc.string({ unit: "binary", maxLength: 60 }),
        fc.integer({ min: 2, max: 90 }),
        (stdout, stderr, room) => {
          const [out, err] = [stdout.toWellFormed(), stderr.toWellFormed()];
          const kept = lastOf(Buffer.from(out), Buffer.from(err), room);
          expect(out.endsWith(kept.stdout) && err.endsWith(kept.stderr)).toBe(true);
          const bytes = Buffer.byteLength(kept.stdout) + Buffer.byteLength(kept.stderr);
          expect(bytes).toBeLessThanOrEqual(room);
          const whole = Buffer.byteLength(out) + Buffer.byteLength(err);
          // A character of up to four bytes at each stream's begin is not cut.
          expect(bytes).toBeGreaterThanOrEqual(Math.min(whole, room) - 6);
        },
      ),
    );
  });

  it("has no value of the environment, in whatever form and wherever the room ends", async () => {
    const forms = [
      // With the secrets masked, the text would fit.
      `${secret}\n`.repeat(5_000),
      secret,
      Buffer.from(secret).toString("base64"),
      Buffer.from(secret).toString("hex"),
    ];
    for (const form of forms) {
      // The end of the room is within each form once.
      for (let shift = 0; shift <= form.length; shift += 1 + Math.floor(form.length / 50)) {
        const stderr = `first\n${form}${"x".repeat(Math.max(0, keptBytes - form.length) + shift)}`;
        const kept = await keptOutput(contextOf({ stderr }), end, secrets, null);
        expect(Buffer.byteLength(kept?.stderr ?? "")).toBeLessThanOrEqual(keptBytes);
        for (let from = 0; from + 6 <= Math.min(60, form.length); from += 1)
          expect(kept?.stderr).not.toContain(form.slice(from, from + 6));
      }
    }
    const { stdout } =
      (await keptOutput(contextOf({ stdout: `it is ${secret}\n` }), end, secrets, null)) ?? {};
    expect(stdout).toBe("it is ${PASSWORD}\n");
  });

  it("is none if nobody knows what is secret, if journald has it, and of a task without logs", async () => {
    const texts = { stdout: "out\n" };
    expect(await keptOutput(contextOf(texts), end, Secrets.none, null)).toEqual({
      stdout: "out\n",
      stderr: "",
    });
    expect(await keptOutput(contextOf(texts), end, Secrets.unknown, null)).toBe(undefined);
    const journal = { journal: { identifier: "shop.web", namespace: null } };
    expect(await keptOutput(contextOf(texts, journal), end, Secrets.none, null)).toBe(undefined);
    const disabled = { stdoutPath: "/dev/null", stderrPath: "/dev/null" };
    expect(await keptOutput(contextOf(texts, disabled), end, Secrets.none, null)).toBe(undefined);
    expect(await keptOutput(contextOf({}), end, Secrets.none, null)).toBe(undefined);
  });
});
