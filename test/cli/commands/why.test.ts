/** The text of `why` for each kind of end, and the events that it names. */

import { describe, expect, it } from "vitest";
import { whyJson, whyText } from "../../../src/cli/commands/why/whyView.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import { History } from "../../../src/history/replay/history.ts";
import { explain } from "../../../src/history/why/explain.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { allLives, event, life, sampleData } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const stream = "6f2d4a9e/web/1";

function explained(events: readonly TaskEvent[]) {
  return explain(new History(stream, new RecordedLog().add(stream, events).events(stream)));
}

/** The text without times. */
function why(...events: TaskEvent[]): string {
  const text = whyText(explained(events), undefined, styleOf(false), Number.POSITIVE_INFINITY);
  return text.split("\n\n")[1] ?? "";
}

const running = () => life("ended").slice(0, 4);
const exited = (data: Parameters<typeof event<"exited">>[1]) => event("exited", data);

describe("the end of a task", () => {
  it.each([
    [{ exitCode: 0 }, "It ended with exit code 0 after ", ": success [5]."],
    [{ exitCode: 3 }, "It ended with exit code 3", "the program defines its meaning [5]."],
    [{ exitCode: 126 }, "exit code 126", "cannot execute"],
    [{ exitCode: 127 }, "exit code 127", "does not find"],
    [{ exitCode: 139 }, "exit code 139", "SIGSEGV killed its command (128 + 11)"],
    [{ exitCode: 139, signal: 11 }, "It was killed by SIGSEGV", ": it accessed memory that is not its own"],
    [{ exitCode: 137, signal: 9 }, "It was killed by SIGKILL", ": the driver did not send that signal"],
    [{ exitCode: -1, source: "unknown" as const }, "it is not known how", "[5]"],
    [{ exitCode: 4, source: "taskFile" as const }, "exit code 4", "a file that the task itself could write"],
  ])("%j is explained", (data, ...parts) => {
    const text = why(...running(), exited(data));
    for (const part of parts) expect(text).toContain(part);
  });

  it("is explained with processes that it left", () => {
    const left = "Processes of it still ran when its main process had ended, and were killed: a program that";
    expect(why(...running(), exited({ exitCode: 0, leftProcesses: true }))).toContain(left);
    expect(why(...running(), exited({ exitCode: 0 }))).not.toContain("still ran");
  });

  it("by lack of memory is explained with limit and peak", () => {
    const oom = { kills: 1, limitBytes: 16 * 2 ** 20, peakBytes: 15 * 2 ** 20 };
    const text = why(...running(), exited({ exitCode: 137, signal: 9, oomKilled: true, oom }));
    expect(text).toContain("for lack of memory after ");
    expect(text).toContain("(limit 16 MiB, peak 15 MiB) [5]. Raise resources.memory");
  });

  it("by a lack of memory that was recorded before the end is explained once", () => {
    const oom = { kills: 2, limitBytes: 16 * 2 ** 20, peakBytes: null };
    const end = exited({ exitCode: 137, signal: 9, oomKilled: true, oom });
    const once = why(...running(), event("oomSeen", { ...oom, kills: 2 }), end);
    expect(once).not.toContain("it went on");
    expect(once).toMatch(/The kernel killed it for lack of memory after .* \[5,6\]\./);
    const twice = why(...running(), event("oomSeen", { ...oom, kills: 1 }), end);
    expect(twice).toMatch(
      /killed one of its processes .*, and it went on \[5\]\. The kernel killed it .* \[6\]\./,
    );
  });

  it("after a survived lack of memory mentions both", () => {
    const text = why(...running(), event("oomSeen", { kills: 2 }), exited({ exitCode: 1 }));
    expect(text).toMatch(
      /killed 2 of its processes for lack of memory .*, and it went on \[5\]\..*exit code 1/,
    );
  });

  it("after other events mentions these in their order", () => {
    const happened = [event("diskFilled"), event("outputLost"), event("stalled"), event("loggerReplaced")];
    const text = why(...running(), ...happened, event("diskFilled", { percent: 100 }), exited({}));
    const told = ["disk limit", "of its output are lost", "It stalled", "takes its output was killed"];
    const places = told.map((each) => text.indexOf(each));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
  });

  it("after stalls mentions each resource once, with the waiting of all its events", () => {
    const stalled = (waitedMs: number, differing = {}) => event("stalled", { waitedMs, ...differing });
    const text = why(
      ...running(),
      stalled(400),
      stalled(2_600),
      stalled(900, { resource: "cpu", kind: "some", stallMs: 500, windowMs: 2_000 }),
      exited({ exitCode: 1 }),
    );
    expect(text).toContain(
      "It stalled: all of its processes waited for memory, together 150 ms within 1 s (recorded 2 times, with 3 s of waiting) [5,6].",
    );
    expect(text).toContain(
      "It stalled: some of its processes waited for CPU, together 500 ms within 2 s (recorded once, with 900 ms of waiting) [7].",
    );
  });

  it("after a disk limit became full mentions it once for each limit, with the last figures", () => {
    const mib = 2 ** 20;
    const text = why(
      ...running(),
      event("diskFilled"),
      event("diskFilled", { percent: 100, used: 300 * mib }),
      event("diskFilled", { folders: "shared" }),
      exited({ exitCode: 1 }),
    );
    expect(text).toContain(
      "Its disk limit became full: 300 MiB of 300 MiB in its folders local and tmp [5,6].",
    );
    expect(text).toContain(
      "Its disk limit became nearly full: 272 MiB of 300 MiB in the allocation's shared folder [7].",
    );
  });

  it("begins with the cause that was found, and adds no advice without one", () => {
    const cause = {
      grade: "witnessed",
      kind: "port_in_use",
      text: "port 80 is already in use",
      line: "bind: EADDRINUSE",
    } as const;
    const known = why(...running(), exited({ exitCode: 1, cause }));
    expect(known).toMatch(/^Port 80 is already in use \[5\]\. The agent requested it/);
    expect(known).not.toMatch(/cause is not known|EADDRINUSE/);
    const unknown = why(...running(), exited({ exitCode: 1, cause: { ...cause, kind: "unknown" } }));
    expect(unknown).toMatch(/^Its output ends with: "bind: EADDRINUSE" \[5\]\. /);
    expect(unknown).toMatch(
      /The cause is not known: [^.]* \[3\]\. The plugin's black_box = "on" records [^.]* \[5\]\.$/,
    );
    expect(why(...running(), event("stopRequested"), exited({ exitCode: 1 }))).not.toContain("cause");
  });
});

describe("the cause of an end", () => {
  it("can be a requested stop", () => {
    const text = why(...life("stopped"));
    expect(text).toContain("The agent requested a stop with SIGINT and a timeout of 5 s [5].");
    expect(text).toMatch(/exit code 0, \d+ \w+ after the request: success \[7\]/);
  });

  it("can be a stop that timed out", () => {
    const [end, gone] = [exited({ exitCode: 137, signal: 9 }), event("destroyed")];
    const text = why(...life("killed").slice(0, 8), end, gone);
    expect(text).toContain("It was still running after the timeout, so it was killed [7,8].");
    expect(text).toMatch(/killed by SIGKILL \d+ \w+ after the request, as the agent requested \[9\]/);
  });

  it("can be a requested destruction", () => {
    const end = exited({ exitCode: 137, signal: 9 });
    const killed = event("forceKilled", { reason: "destroyRequested" });
    const text = why(...running(), event("destroyRequested"), killed, end);
    expect(text).toContain("requested its removal while it was running, so it was killed [5,6].");
    expect(text).toContain("as the agent requested [7]");
  });

  it("can be a signal of the agent", () => {
    const text = why(...running(), event("signalled", { signal: 1 }), exited({ exitCode: 129, signal: 1 }));
    expect(text).toContain("The agent sent it SIGHUP [5].");
    expect(text).toContain("killed by SIGHUP");
    expect(text).toContain("as the agent requested [6]");
    const undelivered = why(
      ...running(),
      event("signalled", { signal: 1, delivered: false }),
      exited({ exitCode: 129, signal: 1 }),
    );
    expect(undelivered).toContain("killed by SIGHUP");
    expect(undelivered).not.toContain("as the agent requested");
  });

  it("can be a denied port, and the advice keeps the ports that the request has", () => {
    const refusal = {
      blockers: ["net.connect_tcp"],
      object: "443",
      program: null,
      pid: 1,
      firstAt: 1,
      count: 1,
    };
    const begun = life("ended").slice(0, 4);
    const text = why(...begun, event("denied", { refusals: [refusal] }), event("exited", { exitCode: 1 }));
    expect(text).toContain("To allow it: connect_tcp = [443, 5432]");
  });

  it("can involve operators, by what they did", () => {
    const by = (name: string) => event("operated", { act: "debug", what: "/opt/tools/debugger", by: name });
    expect(why(...running(), event("operated"), by("alice"), by("bob\n"))).toContain(
      "Operator alice copied /local/core.7 out of it [5]. " +
        "Operator bob␊ ran /opt/tools/debugger of the host in its namespaces, outside its sandbox, the last of 2 times [6,7].",
    );
  });

  it("can involve recoveries, commands in the task, or another driver", () => {
    expect(why(...life("recovered"))).toContain(
      "plugin process 101 took it over from an earlier one, the last of 2 takeovers [5,6]",
    );
    expect(why(...running(), event("execStarted"))).toContain("A command was run in it [5].");
    expect(why(...running(), event("execStarted"), event("execExited"), event("execsRepeated"))).toContain(
      "1,205 commands were run in it [5,7].",
    );
    expect(why(event("adopted"))).toMatch(
      /^HashiCorp's Go driver had started it at .*, and this driver took it over at .* \[1\]\. According to its events, it has been running as pid 302/,
    );
  });
});

describe("a task without an end of its own", () => {
  it("that never ran has code, call and advice", () => {
    const data = sampleData("startFailed");
    const summary = 'the task could not be started: step "x" failed';
    const hint = 'Add unveil "rx:/opt/x"';
    const message = `${summary} (execve /opt/x: EACCES). ${hint}`;
    const failed = { call: "execve", path: "/opt/x", errno: "EACCES" };
    const begun = life("failed").slice(0, 2);
    const text = why(...begun, event("startFailed", { ...data, message, summary, failed, hint }));
    expect(text).toContain(
      `It never ran: LAUNCH_FAILED, ${summary} (execve /opt/x: EACCES) [3]. ${hint} [3]. Another attempt would fail, too [3].`,
    );
    const again = why(...begun, event("startFailed", { summary: "no", failed, recoverable: true }));
    expect(again).toContain("LAUNCH_FAILED, no (execve /opt/x: EACCES) [3]. The agent may try again");
  });

  it("is explained by its last attempt to start", () => {
    const text = why(...life("failed").slice(0, 3), ...life("ended"));
    expect(text).not.toContain("never ran");
    expect(text).toContain("[4,6,7]");
  });

  it("that is lost has the reason, and the last known event", () => {
    const text = why(...life("lost"));
    expect(text).toMatch(
      /Its last known event is started, at .* \[4\]\. It is lost, since the host was rebooted \[5\]/,
    );
  });

  it("that is running, or has not started, is explained by its last event", () => {
    expect(why(...running())).toMatch(/it has been running as pid 201 since .* \[4\]\.$/);
    expect(why(event("requested"))).toMatch(/According to its events, it has not started yet \[1\]\.$/);
    expect(explained([]).sentences).toEqual([]);
  });
});

describe("an explanation", () => {
  it("names existing events for every sentence, and the task's state", () => {
    for (const name of allLives) {
      const events = life(name);
      const { sentences, task, state } = JSON.parse(whyJson(explained(events)));
      expect({ task, state }).toEqual({ task: "web", state: "destroyed" });
      for (const each of sentences) {
        expect(each.events.length).toBeGreaterThan(0);
        for (const seq of each.events) expect(events[seq - 1]).toBeDefined();
      }
    }
  });

  it("says for which events the machine computes a different state from the recorded one", () => {
    const stored = new RecordedLog().add(stream, life("ended")).events(stream);
    const other = stored.map((each) => (each.seq === 5 ? { ...each, to: "heaven" } : each));
    expect(explain(new History(stream, other)).sentences.at(-1)).toMatchObject({
      text: expect.stringContaining("Not certain"),
      events: [5],
    });
  });
});

describe("a task with thousands of health checks", () => {
  it("is explained in a paragraph, with the first check, the last check and the count", () => {
    const checks = Array.from({ length: 25_000 }, (_, exec) => [
      event("execStarted", { exec: exec + 1 }),
      event("execExited", { exec: exec + 1 }),
    ]).flat();
    const explanation = explained([...running(), ...checks, exited({ exitCode: 0 })]);
    const text = whyText(explanation, undefined, styleOf(false), 100);
    expect(text).toContain("25,000 commands were run in it [5…50003, 25000 events].");
    expect(text.length).toBeLessThan(1000);
    expect(whyJson(explanation).length).toBeLessThan(2000);
  });
});
