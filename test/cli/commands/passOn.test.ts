import { once } from "node:events";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { passOn } from "../../../src/cli/commands/run/passOn.ts";

const asItIs = { push: (chunk: Buffer) => chunk, end: () => Buffer.alloc(0) };

test("A stream that has ended before anybody read it is passed on at once", async () => {
  const source = new PassThrough();
  source.end();
  source.resume();
  await once(source, "close");
  const written: Buffer[] = [];
  await passOn(source, "stdout", asItIs, (bytes) => written.push(bytes));
  expect(written).toEqual([]);
});
