import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DriverError, errorCodes, isErrorCode } from "../../src/base/errors.ts";
import { formatError } from "../../src/cli/terminal/errors.ts";
import { styleOf } from "../../src/cli/terminal/style.ts";

const failed = { call: "openat", path: "/opt/x", errno: "EACCES" };

it("only the codes of this version are codes", () => {
  for (const code of errorCodes) expect(isErrorCode(code)).toBe(true);
  for (const code of ["", "constructor", "LAUNCH", "launch_failed"]) expect(isErrorCode(code)).toBe(false);
});

it("docs/errors.md explains every code, in the order of the list", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  expect([...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code)).toEqual(errorCodes);
});

describe("an error with added context", () => {
  const inner = new DriverError("STORE_FAILED", "it is full", { failed, hint: "Make room" });

  it("begins with the context, and keeps its fields", () => {
    expect(inner.within("at event 3")).toMatchObject({
      code: "STORE_FAILED",
      summary: "at event 3: it is full",
      message: "at event 3: it is full (openat /opt/x: EACCES). Make room",
      failed,
      hint: "Make room",
      recoverable: false,
      cause: inner,
    });
  });

  it("may be recoverable although the original is not", () => {
    expect(inner.within("not yet", { recoverable: true }).recoverable).toBe(true);
  });
});

it("an error on a terminal has its hint on a separate line, even if its summary ends like the hint", () => {
  const error = new DriverError("STORE_FAILED", "no. Mend it", { hint: "Mend it" });
  expect(formatError(error, styleOf(false), 80)).toBe("STORE_FAILED: no. Mend it\nhint: Mend it");
  const called = new DriverError("STORE_FAILED", "no", { failed });
  expect(formatError(called, styleOf(false), 80)).toBe("STORE_FAILED: no: openat /opt/x: permission denied");
});
