import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { NetworkIsolationSpec_NetworkIsolationMode as Mode } from "../../../src/grpc/generated/nomad/driver.ts";
import { pidOf, waitTask } from "../../support/agent/agent.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";

const links = { command: "busybox", args: ["ip", "-o", "addr"] };

describe("network", () => {
  test("a task of an allocation is in the allocation's namespace", async () => {
    const path = makeNamespace("exec2-one");
    const { agent, config } = await startVmTask({ command: "sleep 1000", differing: group(path) });
    assert.equal(statSync(`/proc/${await pidOf(agent, config)}/ns/net`).ino, statSync(path).ino);
  });

  test("in mode none the task's namespace has only a loopback interface, which is up", async () => {
    const { agent, allocation, config } = await startVmTask({
      command: links,
      differing: { networkIsolationSpec: isolation(Mode.NONE, "") },
    });
    assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0 });
    const lines = (await allocation.stdout.text()).trim().split("\n");
    assert.ok(
      lines.every((line) => /^\d+: lo\b/.test(line)),
      lines.join("\n"),
    );
    assert.ok(
      lines.some((line) => line.includes("127.0.0.1/8")),
      lines.join("\n"),
    );
  });

  test("a server in one namespace is reached from another, and not from the host's", async () => {
    const [here, there] = [makeNamespace("exec2-here"), makeNamespace("exec2-there")];
    ip("link add exec2-a netns exec2-here type veth peer name exec2-b netns exec2-there");
    for (const [name, link, address] of [
      ["exec2-here", "exec2-a", "10.11.12.1/24"],
      ["exec2-there", "exec2-b", "10.11.12.2/24"],
    ]) {
      ip(`-n ${name} addr add ${address} dev ${link}`);
      ip(`-n ${name} link set ${link} up`);
    }
    const server = await startVmTask({
      command: "echo hello > $NOMAD_TASK_DIR/page; echo up; exec busybox httpd -f -p 8080 -h $NOMAD_TASK_DIR",
      differing: group(here),
    });
    await server.allocation.stdout.contains("up\n");
    // The server listens a moment after it has printed "up".
    const request = "busybox wget -q -T 5 -O - http://10.11.12.1:8080/page";
    const get = `for n in 1 2 3 4 5 6 7 8; do ${request} && exit; sleep 1; done; exit 9`;
    const client = await startVmTask({ command: get, differing: group(there) });
    assert.partialDeepStrictEqual(await waitTask(client.agent, client.config), { exitCode: 0 });
    assert.equal(await client.allocation.stdout.text(), "hello\n");
    const outside = await startVmTask({ command: request });
    assert.notEqual((await waitTask(outside.agent, outside.config)).exitCode, 0);
  });
});

/** @returns the namespace's path */
function makeNamespace(name: string): string {
  ip(`netns add ${name}`);
  onTestFinished(() => ip(`netns delete ${name}`));
  return `/var/run/netns/${name}`;
}

function ip(words: string): void {
  execFileSync("ip", words.split(" "));
}

function group(path: string) {
  return { networkIsolationSpec: isolation(Mode.GROUP, path) };
}

function isolation(mode: Mode, path: string) {
  return { mode, path, labels: new Map<string, string>(), hostsConfig: undefined };
}
