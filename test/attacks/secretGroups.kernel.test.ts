/** A job asks for a group whose members read the host's secrets, or become root. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { secretGroups } from "../../src/effects/users/secretGroups.ts";
import { runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";

const shadow = Number(execFileSync("stat", ["--format=%g", "/etc/shadow"], { encoding: "utf8" }));

test("shadow's members read the host's password hashes", () => {
  const asMember = ["--reuid=84000", "--regid=84000", `--groups=${shadow}`, "cat", "/etc/shadow"];
  expect(execFileSync("setpriv", asMember, { encoding: "utf8" })).toContain("root:");
  expect(() => execFileSync("setpriv", asMember.with(2, "--clear-groups"), { stdio: "ignore" })).toThrow();
});

describe("with everything that lets jobs choose groups and paths", async () => {
  const agent = await startAgent({
    options: { groups_by_task: ["*", "0-4294967294"], unveil_by_task: true, allow_root: true },
  });
  const reading = { command: "cat", args: ["/etc/shadow"], unveil: ["r:/etc/shadow"] };

  test.each(["shadow", String(shadow), "root", "0", "disk", "sudo", "adm", "tty"])(
    "%s is refused",
    async (group) => {
      const config = makeAllocation().config({ ...reading, groups: ["video", group] });
      await expect(startTask(agent, config)).rejects.toThrow(
        /USER_FORBIDDEN: group ".*" is refused: it is the host's group \S+, which /,
      );
    },
  );

  test("other groups are allowed, and a task of root needs none", async () => {
    const member = makeAllocation();
    await runTask(agent, member.config({ command: "id", args: ["-G"], groups: ["video"] }));
    expect(await member.stdout.text()).toMatch(/ 44\n$/);
    const root = makeAllocation({ user: { name: "root", uid: 0, gid: 0 } });
    await runTask(agent, root.config({ ...reading, groups: ["shadow"] }));
    expect(await root.stdout.text()).toContain("root:");
  });
});

test.each([
  ["backup0:x:4711:0::/:/bin/sh", "root"],
  [`backup0:x:4711:${shadow}::/:/bin/sh`, "shadow"],
])("a named user whose primary group is one of them is refused: %s", (line, group) => {
  const users = join(import.meta.dirname, "../../src/effects/users/users.ts");
  const program = `
    import { appendFileSync } from "node:fs";
    import { resolveUser } from ${JSON.stringify(users)};
    appendFileSync("/etc/passwd", ${JSON.stringify(`${line}\n`)});
    const rules = { allowRoot: true, dynamicUserIds: "", deniedHostUids: "", deniedHostGids: "" };
    resolveUser("backup0", rules).then(({ gid }) => console.log(gid), ({ message }) => console.log(message));`;
  const script =
    'own=$(mktemp -d) && cp -r /etc/passwd /etc/group "$own" && mount --bind "$own" /etc && exec "$NODE" --input-type=module -e "$PROGRAM"';
  const output = execFileSync("unshare", ["-m", "sh", "-c", script], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, NODE: process.execPath, PROGRAM: program },
  });
  expect(output).toMatch(
    new RegExp(`primary group of user "backup0" is refused: it is the host's group ${group}, which`),
  );
  expect(Object.keys(secretGroups)).toContain(group);
});
