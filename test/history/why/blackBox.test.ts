/** The sentences on what the black box had of a failed run. */
import { expect, it } from "vitest";
import { recordedSentences } from "../../../src/history/why/blackBox.ts";
import type { Fact } from "../../../src/history/why/facts.ts";
import type { BlackBoxRecord } from "../../../src/machines/events/blackBox.ts";
import { MASK } from "../../../src/machines/events/defineEvent.ts";
import { event, sampleData } from "../../support/history/history.ts";

const { endedAt } = sampleData("exited");

function texts(record: Partial<BlackBoxRecord>): string[] {
  const blackBox = { missed: [], calls: [], signals: [], crash: null, ...record };
  const exited = { ...event("exited", { endedAt, blackBox }), seq: 5 } as Fact<"exited">;
  return recordedSentences(exited).map(({ text }) => text);
}

const failedCall = (call: string, object: string | null, beforeMs: number) => ({
  ...{ call, error: "ENOENT", object, pid: 7, program: "perl", at: endedAt - beforeMs },
});

it("equal failed calls are one, with their number, in the order of the last ones", () => {
  const calls = [
    failedCall("openat", "/none/a", 30),
    failedCall("newfstatat", MASK, 20),
    failedCall("newfstatat", MASK, 12),
    failedCall("openat", "/none/a", 8),
    failedCall("connect", null, 5),
  ];
  expect(texts({ calls })).toEqual([
    "Its last failed calls: newfstatat ENOENT, 2 times (perl, the last one 12 ms before its end); openat /none/a ENOENT, 2 times (perl, the last one 8 ms before its end); connect ENOENT (perl, 5 ms before its end)",
  ]);
});

it("of many different calls, the last four are named", () => {
  const calls = Array.from({ length: 9 }, (_, index) => failedCall("openat", `/none/${index}`, 9 - index));
  const [text = ""] = texts({ calls });
  expect(text.split("; ")).toHaveLength(4);
  expect(text).toContain("/none/8");
  expect(text).not.toContain("/none/4");
});
