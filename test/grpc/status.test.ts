import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DriverError, errorCodes } from "../../src/base/errors.ts";
import { DriverError as ErrorMessage } from "../../src/grpc/generated/exec2/error.ts";
import { Status } from "../../src/grpc/generated/grpc/status.ts";
import { RecoverableError } from "../../src/grpc/generated/nomad/recoverable.ts";
import { errorOfCall, toStatus } from "../../src/grpc/status.ts";

describe("an error as a status", () => {
  test.each([
    ["CONFIG_INVALID", status.INVALID_ARGUMENT],
    ["UNSUPPORTED", status.UNIMPLEMENTED],
    ["TASK_EXISTS", status.ALREADY_EXISTS],
    ["USER_FORBIDDEN", status.PERMISSION_DENIED],
    ["LAUNCH_FAILED", status.INTERNAL],
  ] as const)("%s has a code of its own, and its name in the message", (code, expected) => {
    const { details, code: given } = toStatus(new DriverError(code, "it is wrong", { hint: "Mend it" }));
    expect(given).toBe(expected);
    expect(details).toBe(`${code}: it is wrong. Mend it`);
  });

  test("an unknown task has exactly the text that agents compare", () => {
    expect(toStatus(new DriverError("TASK_NOT_FOUND", "any text"))).toMatchObject({
      code: status.UNKNOWN,
      details: "task not found for given id",
    });
  });

  test("a recoverable error carries the one detail that agents look for", () => {
    const { code, details, metadata } = toStatus(
      new DriverError("LOG_PIPE_NO_READER", "no reader", { recoverable: true }),
    );
    expect(code).toBe(status.FAILED_PRECONDITION);
    const [bytes] = metadata.get("grpc-status-details-bin");
    const decoded = Status.decode(bytes as Buffer);
    expect(decoded).toMatchObject({ code, message: details });
    expect(decoded.details).toHaveLength(1);
    expect(decoded.details[0]?.typeUrl).toBe(
      "type.googleapis.com/hashicorp.nomad.plugins.shared.structs.RecoverableError",
    );
    expect(RecoverableError.decode(decoded.details[0]?.value as Buffer)).toEqual({ recoverable: true });
  });

  test("other errors carry no such detail: the error itself is sent beside the status's details", () => {
    const { metadata } = toStatus(new DriverError("LAUNCH_FAILED", "no"));
    expect(Object.keys(metadata.getMap())).toEqual(["exec2-error-bin"]);
  });

  test("an abort is a cancelled call", () => {
    expect(toStatus(AbortSignal.abort().reason).code).toBe(status.CANCELLED);
  });

  test.each([new TypeError("odd"), "odd", undefined, { odd: true }])("%o is an internal error", (thrown) => {
    expect(toStatus(thrown)).toMatchObject({
      code: status.INTERNAL,
      details: expect.stringContaining("PLUGIN_FAILED"),
    });
  });

  test("whatever is thrown, the message can be sent as a header, and is never UNAVAILABLE", () => {
    fc.assert(
      fc.property(
        fc.anything({ withObjectString: false, withNullPrototype: false }),
        fc.string({ unit: "binary" }),
        (thrown, text) => {
          for (const error of [thrown, new Error(text), new DriverError("STORE_FAILED", text)]) {
            const { code, details } = toStatus(error);
            expect(code).not.toBe(status.UNAVAILABLE);
            expect(encodeURI(details).length).toBeLessThan(64 * 1024);
          }
        },
      ),
    );
    expect(toStatus(new Error("\ud800")).details).not.toContain("\ud800");
    expect(toStatus(new Error("😀".repeat(10_000))).details.length).toBeLessThan(5_000);
  });

  test("a message that is too long is truncated to the given number of bytes at a character boundary, and keeps its errno", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 40, max: 200 }), (summary, limit) => {
        const error = new DriverError("STORE_FAILED", summary, {
          failed: { call: "write", errno: "ENOSPC" },
        });
        const { details } = toStatus(error, limit);
        expect(Buffer.byteLength(details)).toBeLessThanOrEqual(limit);
        expect(details).toMatch(/^STORE_FAILED: .*ENOSPC\)$/s);
        expect(details.isWellFormed()).toBe(true);
      }),
    );
  });

  test("an error that is too long loses hint and path first", () => {
    const failed = { call: "openat", path: "/a/long/path/of/something/on/this/host", errno: "EACCES" };
    const error = new DriverError("STORE_FAILED", "the file cannot be read", { failed, hint: "Mend it" });
    expect(toStatus(error, 79).details).toBe("STORE_FAILED: the file cannot be read (EACCES)");
  });
});

describe("a status that becomes an error again", () => {
  const asCall = ({ code, details, metadata }: StatusObject): ServiceError =>
    Object.assign(new Error(`${code}: ${details}`), { code, details, metadata });

  const text = fc.string({ unit: "grapheme", maxLength: 300 });
  const optional = fc.option(text, { nil: undefined });

  test("is the same error, field by field", () => {
    const options = fc.record({
      failed: fc.option(fc.record({ call: text, path: optional, errno: optional }), { nil: undefined }),
      hint: optional,
      recoverable: fc.boolean(),
    });
    const codes = errorCodes.filter((code) => code !== "TASK_NOT_FOUND");
    fc.assert(
      fc.property(fc.constantFrom(...codes), text, options, (code, summary, given) => {
        const error = new DriverError(code, summary, given);
        const again = errorOfCall(asCall(toStatus(error)));
        expect(again).toMatchObject({ code, summary, message: error.message });
        const { failed, hint, recoverable } = again;
        expect({ failed, hint, recoverable }).toEqual(given);
      }),
    );
  });

  test("has only the fields in its text if the whole error was too long", () => {
    const failed = { call: "openat", path: "/a/long/path/of/something/on/this/host", errno: "EACCES" };
    const error = new DriverError("STORE_FAILED", "it cannot be read", {
      failed,
      hint: "Mend it",
      recoverable: true,
    });
    expect(errorOfCall(asCall(toStatus(error, 50)))).toMatchObject({
      code: "STORE_FAILED",
      summary: "it cannot be read",
      failed: { call: "openat", path: undefined, errno: "EACCES" },
      hint: undefined,
      recoverable: true,
    });
  });

  test.each([
    [
      "an error of a code that this version does not know",
      carried({ code: "BRAND_NEW", summary: "odd", recoverable: false }),
    ],
    ["garbage in place of an error", Buffer.from("garbage")],
    ["no error", undefined],
  ])("whose metadata have %s is the plugin's failure, with the status's text", (_what, bytes) => {
    const metadata = new Metadata();
    if (bytes) metadata.set("exec2-error-bin", bytes);
    const call = asCall({ code: status.INTERNAL, details: "STORE_FAILED: looks like one", metadata });
    expect(errorOfCall(call)).toMatchObject({
      code: "PLUGIN_FAILED",
      message: "the plugin's answer is 13: STORE_FAILED: looks like one",
    });
  });

  test("an unknown task stays an unknown task", () => {
    expect(errorOfCall(asCall(toStatus(new DriverError("TASK_NOT_FOUND", "x")))).code).toBe("TASK_NOT_FOUND");
  });

  test("an error that is no failed call is unchanged", () => {
    const error = new DriverError("JOB_INVALID", "no such job");
    expect(errorOfCall(error)).toBe(error);
    expect(errorOfCall(new Error("odd"))).toMatchObject({ code: "PLUGIN_FAILED" });
  });

  test("a broken connection is the plugin's failure", () => {
    const lost = asCall({
      code: status.UNAVAILABLE,
      details: "Connection dropped",
      metadata: new Metadata(),
    });
    expect(errorOfCall(lost)).toMatchObject({
      code: "PLUGIN_FAILED",
      message: expect.stringContaining("Connection dropped"),
    });
  });
});

function carried(message: ErrorMessage): Buffer {
  return Buffer.from(ErrorMessage.encode(message).finish());
}
