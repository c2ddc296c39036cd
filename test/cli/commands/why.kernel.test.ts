/** `why` with the log of a `run`. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, jobFileOf, shellJob } from "../../support/screen/commandLine.ts";

describe("why", () => {
  it("explains the end of a run, also from a bundle, and shows no secret", async () => {
    const stateDir = temporaryFolder();
    const secret = "correct-horse-battery";
    const job = shellJob(": staple-marker; kill -SEGV $$", `env {\n PASSWORD = "${secret}"\n}`);
    await call(["run", "--state-dir", stateDir, job]);
    const why = (...args: string[]) => call(["why", "--state-dir", stateDir, ...args]);

    const text = await why("task");
    expect(text).toMatchObject({ code: 0, stderr: "" });
    expect(text.stdout).toMatch(
      /^task of job test, \S+: killed\n\nEnded by SIGSEGV, (?:whose usual reason is: it accessed memory .*|sent by pid \d+ \(sh\), a process of the task) \[5\]\. The agent requested it at .* \[1,3,4\]\. .*It was killed by SIGSEGV (?:immediately|after ).* \[5\]\.\n$/,
    );
    const json = await why("task", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ task: "task", job: "test", state: "destroyed" });
    for (const { stdout } of [text, json]) {
      expect(stdout).not.toContain(secret);
      expect(stdout).not.toContain("staple-marker");
    }

    await call(["run", "--state-dir", stateDir, shellJob("exit 3")]);
    await call(["run", "--state-dir", stateDir, shellJob("exit 0")]);
    const newest = await why("task");
    expect(newest.stdout).toMatch(/^newest of 3 runs; others: exit 3, SIGSEGV\ntask of job .*: completed\n/);
    const before = await why("task", "--run", "-2");
    expect(before.stdout).toMatch(/^run -2 of 3 runs; others: exit 0, exit 3\ntask of job .*: killed\n/);
    const id = /^task of job test, (\S+):/m.exec(before.stdout)?.[1] ?? "";
    for (const name of [id, id.slice(0, 8), `${id.slice(0, 8)}/task`]) {
      expect((await why(name)).stdout).toBe(text.stdout);
    }
    expect((await why("task", "--run", "-3")).stderr).toMatch(
      /^TASK_NOT_FOUND: there is no run -3: the log holds 3 runs\nhint: --run takes 0 \(the newest run\) to -2 \(the oldest\)$/m,
    );

    const wrong = await why("taks");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("TASK_NOT_FOUND");
    expect(wrong.stderr).toContain("Did you mean task?");
  });

  it("blames a refused low port on the capability that it takes, and the option for it is enough", async () => {
    const stateDir = temporaryFolder();
    const bind = `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, pack_sockaddr_in(777, INADDR_LOOPBACK)) or die "bind to port 777: $!\\n"'`;
    const run = (job: string) => call(["run", "--state-dir", stateDir, job]);
    const job = shellJob(`ls > /dev/null; ${bind}`);
    expect(await run(job)).toMatchObject({ code: 13 });
    const { stdout } = await call(["why", "--state-dir", stateDir, "task"]);
    // With a black box, the text has the option, too.
    expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
      /Its last line names port 777: those below 1024 take a capability that it does not have|Port 777 is below 1024 \(its last failed call\): it takes cap_add = \["net_bind_service"\]/,
    );
    expect(stdout).not.toContain("unveil = ");
    const source = readFileSync(job, "utf8");
    writeFileSync(job, source.replace("config {", 'config {\n        cap_add = ["net_bind_service"]'));
    expect(await run(job)).toMatchObject({ code: 0 });
  });

  it("blames a file in a volume on its owner and mode, not on unveil", async () => {
    const [stateDir, volume] = [temporaryFolder(), temporaryFolder("/var/tmp")];
    chmodSync(volume, 0o755);
    const job = jobFileOf(`job "test" {
  group "group" {
    volume "data" {
      type   = "host"
      source = "data"
    }
    task "task" {
      driver = "exec2"
      volume_mount {
        volume      = "data"
        destination = "/exec2-data"
      }
      config {
        command = "sh"
        args    = ["-c", "echo x > /exec2-data/new"]
      }
    }
  }
}
`);
    const run = () => call(["run", "--state-dir", stateDir, "--host-volume", `data=${volume}`, job]);
    expect((await run()).code).not.toBe(0);
    const { stdout } = await call(["why", "--state-dir", stateDir, "task"]);
    expect(stdout).toMatch(/Folder \/exec2-data belongs to root, gid 0, mode 0755; the task runs as uid \d+/);
    expect(stdout).not.toContain("add missing paths to unveil");
    chmodSync(volume, 0o777);
    expect(await run()).toMatchObject({ code: 0 });
  });

  it("explains a history of another host", async () => {
    const { stdout } = await call([
      "why",
      "is-lost",
      "--state-dir",
      "test/fixtures/histories/rebootAndForce.jsonl",
    ]);
    expect(stdout).toContain("It is lost, since the host was rebooted");
  });
});
