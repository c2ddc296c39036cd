/** Examples with programs that need more from their sandbox than a shell does. */
import { describe, expect, it } from "vitest";
import { postgresPrograms } from "../../support/agent/programs.ts";
import { untilServed } from "../../support/host/loopback.ts";
import { requireTools, tryTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, start } from "../../support/screen/commandLine.ts";

const examples = `${import.meta.dirname}/../../../examples`;

/** Arguments to run an example whose tasks may unveil paths. */
const running = (name: string, ...args: string[]) => [
  ...["run", "--state-dir", temporaryFolder(), "-o", "unveil_by_task=true", ...args],
  `${examples}/${name}.nomad.hcl`,
];

describe("the examples", () => {
  it("compile a Java program in one task and run it in the next, with a heap that fits its memory", async (context) => {
    requireTools(context, "javac", "java");
    const { code, stdout, stderr } = await call(running("java"));
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^compile: exit code 0/m)]);
    const heap = Number(/a heap of at most (\d+) MiB/.exec(stdout)?.[1]);
    expect(heap).toBeGreaterThan(16);
    expect(heap).toBeLessThan(256);
  });

  it("serve a page through a proxy, whose configuration is rendered for their ports", async (context) => {
    tryTools(context, "haproxy");
    const { child, ended, seen } = start(running("proxy"));
    const address = /port lb: (\S+)/.exec(await seen("haproxy: started", "stderr"))?.[1];
    expect(await untilServed(`http://${address}/`)).toBe("Served by app, behind a proxy.\n");
    child.kill("SIGTERM");
    const { stdout, stderr } = await ended;
    expect(stdout).toMatch(/lb app\/app .* 200 .*"GET \/ HTTP\/1.1"/);
    expect(stderr).toMatch(/^haproxy: exit code 0/m);
  });

  it("run a database as a separate user, and query it from another task", async (context) => {
    tryTools(context, `${postgresPrograms}/initdb`);
    const { child, ended, seen } = start(running("postgres", "-var", `programs=${postgresPrograms}`));
    await seen("ask: exit code", "stderr");
    child.kill("SIGTERM");
    const { stdout, stderr } = await ended;
    expect(stdout).toMatch(/six times seven is 42\|asked by app$/m);
    expect(stderr).toMatch(/^ask: exit code 0/m);
    expect(stderr).toMatch(/^postgres: exit code 0/m);
  });

  it("see the host's processes if allowed, but only their public data", async () => {
    const { code, stdout } = await call(running("host-processes", "-o", "allow_host_pid=true"));
    expect(code).toBe(0);
    expect(Number(/^processes: (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(5);
    expect(stdout).toMatch(/\.scope\/exec2-\S+$/m);
  });
});
