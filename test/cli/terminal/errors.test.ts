import { expect, it } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import { formatError } from "../../../src/cli/terminal/errors.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";

it.each([
  ["getaddrinfo", "ENOTFOUND", undefined, "getaddrinfo: there is no host of this name"],
  ["read", "EISDIR", "/tmp", "/tmp: is a directory"],
  [
    "write",
    "ENOSPC",
    "/a",
    "/a: no space left on device\nhint: Free space on that file system: df shows which is full",
  ],
])("an error of %s with %s is described in words", (call, errno, path, text) => {
  const error = new DriverError("UNSUPPORTED", "it failed", { failed: { call, errno, path } });
  expect(formatError(error, styleOf(false), 100)).toBe(`UNSUPPORTED: it failed: ${text}`);
});
