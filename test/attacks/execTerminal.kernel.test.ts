/**
 * While a user types at a terminal of `alloc exec`, another command of the same task tries to read the input.
 * That command has the same user, and its ruleset has the rule that allows the terminal. A command also tries to type
 * for the user, and to reach the terminal at which the user's own shell is.
 */
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readyTask, startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall, execScript } from "../support/agent/execCall.ts";
import { openTerminalSession } from "../support/screen/terminalSession.ts";

describe.each(["private", "host"])("a terminal of a task with the root %s", async (root) => {
  const agent = await startAgent({ options: { root } });

  test("cannot be opened by another command", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("exec sleep 1000");
    await startTask(agent, config);
    const typed = new ExecCall(agent, config.id, ["sh", "-c", "echo ready; exec cat"], { tty: true });
    await typed.shows("ready");
    const pid = allocation.cgroup.processes().find((each) => isatty(each)) as number;
    // The terminal's paths: on the host, in its own command, and in /proc.
    const places = [
      readlinkSync(`/proc/${pid}/fd/0`),
      "/dev/pts/0",
      "/proc/[0-9]*/fd/0",
      "/proc/[0-9]*/root/dev/pts/*",
    ];
    const look = `for path in ${places.join(" ")}; do (exec 3<> $path && [ -t 3 ]) 2> /dev/null && echo opened $path; done; echo tried`;
    const other = await execScript(agent, config.id, look);
    expect(`${other.stdout}`).toBe("tried\n");
    typed.type("still there\n");
    await typed.shows("still there\r\nstill there");
    typed.cancel();
  });
});

describe("a command with a terminal", async () => {
  const root = { name: "root", uid: 0, gid: 0 };
  const options = { allow_seccomp: ["@terminal"], allow_root: true, allow_host_root: true };
  const agent = await startAgent({ options });

  test("types nothing into it in place of its user", async () => {
    const typing = `$| = 1; my $key = "x"; print ioctl(STDIN, 0x5412, $key) ? "worked" : "$!", " so"`; // TIOCSTI
    const outcome = async (more: object) => {
      const { config } = await readyTask(agent, {
        ...{ command: "sh", args: ["-c", "echo up; exec sleep 1000"] },
        ...more,
      });
      const call = new ExecCall(agent, config.id, ["perl", "-e", typing], { tty: true });
      await call.result;
      return `${call.stdout}`;
    };
    const free = await outcome({ seccomp_allow: ["@terminal"] });
    if (hasTyping()) expect(free).toContain("worked so");
    else console.warn("NOT SHOWN to work without the filter: this host lets no program type into terminals");
    expect(await outcome({})).toBe("Operation not permitted so");
  });

  test.each(["private", "host"])(
    "does not reach the terminal of its user's shell, with the root %s",
    async (kind) => {
      const session = openTerminalSession({ columns: 100, rows: 30 });
      session.type("tty; echo at''tached\n");
      const lines = await session.shows(/^attached$/m);
      const [path = ""] = /\/dev\/pts\/\d+/.exec(lines.join("\n")) ?? [];
      // Root writes to it.
      writeFileSync(path, "from outside\r\n");
      await session.shows(/from outside/);
      const allocation = makeAllocation({ user: root });
      const command = { command: "sh", args: ["-c", "echo up; exec sleep 1000"], root: kind };
      const { config } = await readyTask(agent, command, allocation);
      // The command's own terminal may have the same path.
      const write = `for path in ${path} /proc/[0-9]*/root${path}; do (echo from the task > $path) 2> /dev/null; done; echo tried`;
      const { stdout } = await execScript(agent, config.id, write, { tty: true });
      expect(`${stdout}`).toContain("tried\r\n");
      session.type("echo st''ill there\n");
      await session.shows(/^still there$/m);
      expect(session.written()).not.toContain("from the task");
    },
  );
});

/** Whether programs may type into their own terminals, without CAP_SYS_ADMIN: since Linux 6.2 the host's choice. */
function hasTyping(): boolean {
  try {
    return readFileSync("/proc/sys/dev/tty/legacy_tiocsti", "utf8").trim() === "1";
  } catch {
    return true;
  }
}

function isatty(pid: number): boolean {
  return readlinkSync(`/proc/${pid}/fd/0`).startsWith("/dev/pts/");
}
