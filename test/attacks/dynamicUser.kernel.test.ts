/**
 * A job names a dynamic user itself, `user = "nomad-<n>"`. The uid n may belong to an account of a directory
 * server, or to a user in a container.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

test.each([1_000, 65_533, 100_000, 200_005])(
  "a number outside of the client's range is refused: %i",
  async (id) => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("true", { user: `nomad-${id}` });
    await expect(startTask(agent, config)).rejects.toMatchObject({
      details: expect.stringContaining(`nomad-${id} is refused: its number is not in 80000-89999`),
    });
  },
);

test("root is refused, by name and by number, unless the client allows it", async () => {
  const agent = await startAgent();
  for (const user of ["root", "nomad-0"]) {
    const config = makeAllocation().config("true", { user });
    await expect(startTask(agent, config)).rejects.toMatchObject({
      details: expect.stringMatching(/^USER_FORBIDDEN: /),
    });
  }
  const allowing = await startAgent({ options: { allow_root: true } });
  const allocation = makeAllocation({ user: { name: "root", uid: 0, gid: 0 } });
  await startTask(allowing, allocation.config("id -u"));
  expect(await allocation.stdout.text()).toBe("0\n");
});

test("the operator can set another range", async () => {
  const agent = await startAgent({ options: { dynamic_user_ids: "200000-200009" } });
  const allocation = makeAllocation({ user: { name: "nomad-200005", uid: 200_005, gid: 200_005 } });
  const config = allocation.config("id -u");
  await startTask(agent, config);
  expect(await allocation.stdout.text()).toBe("200005\n");
});

/** The result for nomad-85000 on a host with these files and name services. */
function resolvedWith(files: Readonly<Record<string, string>>, getent = "exit 2"): string {
  const folder = temporaryFolder();
  const binds = Object.entries(files).map(([name, content]) => {
    writeFileSync(join(folder, name), content);
    return `mount --bind ${join(folder, name)} /etc/${name}`;
  });
  writeFileSync(join(folder, "getent"), `#!/bin/sh\n${getent}\n`);
  chmodSync(join(folder, "getent"), 0o755);
  const module = join(import.meta.dirname, "../../src/effects/users/users.ts");
  writeFileSync(
    join(folder, "resolve.ts"),
    `import { resolveUser } from ${JSON.stringify(module)};
     const rules = { allowRoot: false, dynamicUserIds: "80000-89999", deniedHostUids: "", deniedHostGids: "" };
     resolveUser("nomad-85000", rules).then(({ uid }) => console.log(uid), ({ message }) => console.log(message));`,
  );
  const script = [...binds, `exec ${process.execPath} ${join(folder, "resolve.ts")}`].join(" && ");
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
  return execFileSync("unshare", ["--mount", "sh", "-c", script], { env, encoding: "utf8" }).trim();
}

test("the number of a directory server's account is refused", () => {
  const nsswitch = { "nsswitch.conf": "passwd: files sss\ngroup: files sss\n" };
  const knows = (database: string, entry: string) =>
    `[ "$*" = "${database} 85000" ] && echo "${entry}" || exit 2`;
  expect(resolvedWith(nsswitch, knows("passwd", "ada:x:85000:500::/home/ada:/bin/sh"))).toContain(
    'uid 85000 belongs to the host\'s user "ada"',
  );
  expect(resolvedWith(nsswitch, knows("group", "staff:x:85000:ada"))).toContain(
    'gid 85000 belongs to the host\'s group "staff"',
  );
  expect(resolvedWith(nsswitch)).toBe("85000");
});

test("only configured name services are asked, and a number is not refused because a service fails", () => {
  const knowsAll = "echo ada:x:85000:500::/home/ada:/bin/sh";
  expect(
    resolvedWith(
      { "nsswitch.conf": "passwd: files systemd\ngroup: files [SUCCESS=merge] systemd\n" },
      knowsAll,
    ),
  ).toBe("85000");
  expect(resolvedWith({ "nsswitch.conf": "passwd: files ldap\n" }, "exit 1")).toBe("85000");
});

test.each(["subuid", "subgid"])("a subordinate id of a container user is refused: %s", (name) => {
  expect(resolvedWith({ [name]: "ada:80000:6000\n" })).toContain(`/etc/${name} reserves`);
});
