import { describe, expect, it } from "vitest";
import { maskEvent } from "../../../src/history/replay/mask.ts";
import { parseTaskEvent } from "../../../src/machines/events.ts";
import { event, eventTypes, requestWith, sampleData } from "../../support/history/history.ts";

const secret = "marker-7c1f";

describe("a masked event", () => {
  it("has no argument of the command, in the request or in the plan", () => {
    const args = ["-c", `echo "${secret}", ["${secret}"]\\`, secret, `] ${secret} "`];
    const plan = [
      `task      execute the command: execve("/bin/sh", ${quoted(["sh", ...args])}, ["PASSWORD=…"])`,
      "task      set groups: setgroups(0, [])",
      "init      report init: read(9, &identity[8], 248)",
    ];
    const masked = [maskEvent(requestWith({ args })), maskEvent(event("sandboxed", { plan }))];
    expect(JSON.stringify(masked)).not.toContain(secret);
    expect(masked[0]?.data).toMatchObject({
      options: {
        command: "python3",
        args: ["…", "…", "…", "…"],
        unveil: ["r:/etc/mime.types"],
        connect_tcp: [5432],
      },
    });
    expect(masked[1]?.data).toMatchObject({
      plan: ['task      execute the command: execve("/bin/sh", […], […])', plan[1], plan[2]],
    });
  });

  it("has neither paths nor addresses of the black box", () => {
    const by = { pid: 7, program: "perl", at: 1 };
    const { data } = maskEvent(
      event("exited", {
        blackBox: {
          missed: [{ path: `/${secret}`, ...by }],
          calls: [{ call: "connect", error: "ECONNREFUSED", object: secret, ...by }],
          signals: [],
          crash: null,
        },
      }),
    );
    expect(data).toMatchObject({
      blackBox: {
        missed: [{ path: "…", ...by }],
        calls: [{ call: "connect", error: "ECONNREFUSED", object: "…", ...by }],
      },
    });
  });

  it("is still an event, does not change when it is masked again, and equals the original if nothing was to be masked", () => {
    for (const type of eventTypes) {
      const masked = maskEvent(event(type));
      expect(parseTaskEvent(masked.type, masked.time, masked.data)).toEqual(masked);
      expect(maskEvent(masked)).toBe(masked);
    }
    const exited = event("exited");
    expect(maskEvent(exited)).toBe(exited);
  });

  it("has no text of a request whose options have a form that this version does not know", () => {
    for (const options of [secret, [secret], { command: "sh", args: { first: [secret] } }]) {
      const { data } = maskEvent({ type: "requested", data: { ...sampleData("requested"), options } });
      expect(JSON.stringify(data)).not.toContain(secret);
    }
  });

  it("has no values of fields that this version does not know", () => {
    const unknown = maskEvent({ type: "teleported", data: { to: secret, at: [1, { by: secret }] } });
    expect(unknown.data).toEqual({ to: "…", at: [1, { by: "…" }] });
    expect(maskEvent({ type: "toString", data: secret }).data).toBe("…");
    const newer = maskEvent({ type: "lost", data: { ...sampleData("lost"), witness: secret } });
    expect(newer.data).toEqual({ ...sampleData("lost"), witness: "…" });
  });
});

function quoted(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(", ")}]`;
}
