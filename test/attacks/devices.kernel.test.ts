/** A job unveils a folder with device nodes. The operator lists the folder, or jobs may name any. */
import { execFileSync, spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { errorOfCall } from "../../src/grpc/status.ts";
import { type Agent, runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { hostFolder } from "../support/host/temporaryFolder.ts";
import { programEntry } from "../support/plugin/pluginEntry.ts";

/** Devices that everybody may open, by their numbers. A kernel may lack the drivers of the first two. */
const nodes = { fuse: [10, 229], tun: [10, 200], full: [1, 7] } as const;
const names = Object.keys(nodes);

/** Prints the names of the devices in a folder that it can open. */
const opening = (folder: string) =>
  `for name in ${names.join(" ")}; do (exec 3<>${folder}/$name) 2>/dev/null && echo $name; done; echo all`;

/** What a task opens; or the code of the error of a start that is refused. */
async function openedBy(agent: Agent, folder: string, job: object): Promise<string> {
  const allocation = makeAllocation();
  const config = allocation.config({ command: "sh", args: ["-c", opening(folder)], ...job });
  return await runTask(agent, config).then(
    () => allocation.stdout.text(),
    (thrown) => errorOfCall(thrown).code,
  );
}

test("nodes in a folder that a job unveils work only in the host's root", async () => {
  const folder = hostFolder();
  for (const [name, numbers] of Object.entries(nodes))
    execFileSync("mknod", ["-m", "666", `${folder}/${name}`, "c", ...numbers.map(String)]);
  const { uid, gid } = makeAllocation().user;
  const asUser = spawnSync("sh", ["-c", opening(folder)], { uid, gid, cwd: "/", encoding: "utf8" }).stdout;
  expect(asUser).toContain("full\n");
  for (const options of [{ unveil_by_task: true }, { unveil_allowed: [`rw:${folder}`] }]) {
    const agent = await startAgent({ options: { ...options, allow_host_root: true } });
    const unveil = [`rw:${folder}`];
    expect(await openedBy(agent, folder, { unveil })).toBe("all\n");
    expect(await openedBy(agent, folder, { unveil, root: "host" })).toBe(asUser);
  }
});

/** A /dev as in containers, whose file system is of no special type. */
const devInMemory = `
mount -t tmpfs -o mode=755 tmpfs /dev && cd /dev && mkdir net shm pts && ln -s /proc/self/fd fd &&
mount -t tmpfs -o mode=1777 tmpfs shm && mount -t devpts -o ptmxmode=666 devpts pts && ln -s pts/ptmx ptmx &&
while read -r name major minor; do mknod -m 666 $name c $major $minor || exit; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/fuse 10 229
net/tun 10 200
net/full 1 7
END
cd / && exec "$@"`;

test.each(["private", "host"])("a folder of /dev opens no device in the root %s", async (root) => {
  const inMemory = (options: object) =>
    startAgent({
      ...{
        entry: "/usr/bin/unshare",
        args: ["--mount", "sh", "-c", devInMemory, "sh", process.execPath, programEntry],
      },
      options: { allow_host_root: true, ...options },
    });
  const around = { unveil_allowed: ["rw:/dev", "rw:/dev/net"] };
  const careless = await openedBy(await inMemory({ unveil_paths: ["rw:/dev/net"] }), "/dev/net", { root });
  expect(careless).toContain("full\n");
  const byTask = await inMemory({ unveil_by_task: true });
  const onHost = await startAgent({ options: { allow_host_root: true, ...around } });
  for (const agent of [await inMemory(around), byTask, onHost])
    for (const path of ["/dev", "/dev/net", "/dev/net/tun", "/dev/net/none"])
      expect(await openedBy(agent, "/dev/net", { root, unveil: [`rw:${path}`] })).toBe("UNVEIL_NOT_ALLOWED");
  expect(await openedBy(byTask, "/dev/net", { root, unveil: ["rw:/dev/shm"] })).toBe("all\n");
  const named = await inMemory({ unveil_allowed: ["rw:/dev/net/full"] });
  expect(await openedBy(named, "/dev/net", { root, unveil: ["rw:/dev/net/full"] })).toBe("full\nall\n");
});
