import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readServerValues } from "../../../src/localAgent/files/serverValues.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

function valuesIn(text: string) {
  const path = join(temporaryFolder(), "values");
  writeFileSync(path, text);
  return readServerValues(path);
}

it("values of servers are the same in HCL and in JSON, and are literal", async () => {
  const expected = { secret: { "kv/x": { password: `a\${b}%{c}` } }, key: { port: "80" } };
  expect(await valuesIn('secret = { "kv/x" = { password = "a$${b}%%{c}" } }\nkey = { port = 80 }')).toEqual(
    expected,
  );
  const json = { secret: { "kv/x": { password: `a\${b}%{c}` } }, key: { port: 80 } };
  expect(await valuesIn(JSON.stringify(json))).toEqual(expected);
});

it("errors in values of servers name all places, and show no value", async () => {
  const wrong = {
    secrets: { a: { password: "hunter2" } },
    key: { port: ["hunter2"] },
    service: { db: [{ Port: 1 }] },
  };
  const thrown = await valuesIn(JSON.stringify(wrong, undefined, 1)).catch((error: Error) => error);
  expect(thrown).toMatchObject({ code: "JOB_INVALID" });
  expect(String(thrown)).toContain("has 3 errors");
  expect(String(thrown)).toContain("service.db[0].Address: an instance needs its Address");
  expect(String(thrown)).toContain("key.port: must be a string, a number or a bool");
  expect(String(thrown)).not.toContain("hunter2");
});

it("an error in the syntax of values shows no line, which may hold a secret", async () => {
  for (const text of ['key = { a = "hunter2" b }', '{"key": {"a": "hunter2"', '{"key": hunter2}']) {
    const thrown = await valuesIn(text).catch((error: Error) => error);
    expect(String(thrown)).toMatch(/values\S*: this is not valid (?:HCL2|JSON)\b/);
    expect(String(thrown)).not.toContain("hunter2");
  }
});
