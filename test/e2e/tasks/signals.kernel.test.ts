import { beforeAll, describe, expect, test } from "vitest";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, pidOf, readyTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { procStatus } from "../../support/host/processes.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

describe("SignalTask", () => {
  test("delivers every signal that a program can handle, and does nothing else", async () => {
    const names =
      "HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU URG VTALRM PROF WINCH IO PWR";
    const { allocation, config } = await started(`
      $| = 1;
      $SIG{$_} = sub { print "$_[0]\\n" } for qw(${names});
      print "up\\n";
      select(undef, undef, undef, 1000) while 1;`);
    for (const name of names.split(" ")) {
      await agent.driver.signalTask({ taskId: config.id, signal: `SIG${name}` });
      await allocation.stdout.contains(`\n${name}\n`);
    }
    await agent.driver.signalTask({ taskId: config.id, signal: "SIGKILL" });
    expect(await waitTask(agent, config)).toEqual({ exitCode: 137, signal: 9, oomKilled: false });
  });

  test("delivers every real-time signal, by number and by name", async () => {
    const { allocation, config } = await started(`
      use POSIX ();
      $| = 1;
      my $action = POSIX::SigAction->new(sub { print "got $number{$_[0]}\\n" });
      $action->safe(1);
      POSIX::sigaction($_, $action) for 34 .. 64;
      BEGIN { require Config; my $n = 0; $number{$_} = $n++ for split " ", $Config::Config{sig_name} }
      print "up\\n";
      select(undef, undef, undef, 1000) while 1;`);
    for (let number = 34; number <= 64; number++) {
      const names = [String(number), `SIGRTMIN+${number - 34}`, `rtmax-${64 - number}`];
      await agent.driver.signalTask({ taskId: config.id, signal: names[number % 3] ?? "" });
      await allocation.stdout.contains(`got ${number}\n`);
    }
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    const got = Array.from({ length: 31 }, (_, index) => `got ${34 + index}\n`);
    expect(await allocation.stdout.text()).toBe(["up\n", ...got].join(""));
  });

  test.each([
    ["HUP", 1],
    ["USR1", 10],
    ["USR2", 12],
    ["SIGRTMIN+5", 39],
  ])(
    "%s ends a program that does not handle this signal, and init records the signal",
    async (signal, number) => {
      const { config } = await started('$| = 1; print "up\\n"; sleep 1 while 1');
      await agent.driver.signalTask({ taskId: config.id, signal });
      const ended = { exitCode: 128 + number, signal: number, oomKilled: false };
      expect(await waitTask(agent, config)).toEqual(ended);
    },
  );

  test("does not end init, which ignores every signal that can be ignored, from the driver and from the host", async () => {
    const allocation = makeAllocation();
    const goOn = allocation.gate();
    const { config } = await started(
      `$| = 1;
      $SIG{$_} = "IGNORE" for qw(${ignorable});
      print "up\\n";
      open my $gate, "<", "$ENV{NOMAD_TASK_DIR}/gate";
      <$gate>;
      exit 5;`,
      allocation,
    );
    const init = Number(procStatus(await pidOf(agent, config)).PPid);
    for (const name of ignorable.split(" ")) {
      await agent.driver.signalTask({ taskId: config.id, signal: name });
      process.kill(init, `SIG${name}`);
    }
    expect(procStatus(init).Name).toBe("exec2-init");
    goOn();
    expect(await waitTask(agent, config)).toEqual({ exitCode: 5, signal: 0, oomKilled: false });
  });

  test("reaches the children in the task's process group, and no children outside of it", async () => {
    const { allocation, config } = await started(`
      use POSIX ();
      $| = 1;
      sub handle { my $name = shift; $SIG{USR1} = sub { print "$name has it\\n" }; }
      sub linger { select(undef, undef, undef, 1000) while 1 }
      handle("main");
      unless (fork) { handle("child"); print "child up\\n"; linger() }
      unless (fork) { POSIX::setsid(); handle("session"); print "session up\\n"; linger() }
      print "up\\n";
      linger();`);
    await Promise.all(["child up\n", "session up\n"].map((text) => allocation.stdout.contains(text)));
    await agent.driver.signalTask({ taskId: config.id, signal: "SIGUSR1" });
    await Promise.all(["main", "child"].map((name) => allocation.stdout.contains(`${name} has it\n`)));
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    expect(await allocation.stdout.text()).not.toContain("session has it");
  });

  test.each(["SIGBOGUS", "", "0", "65", "-9", "SIGRTMAX+1"])("refuses %o", async (signal) => {
    const { config } = await started('$| = 1; print "up\\n"; sleep 1 while 1');
    const refused = await agent.driver.signalTask({ taskId: config.id, signal }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "SIGNAL_UNKNOWN" });
  });

  test("refuses a task that has ended", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("exit 0");
    await startTask(agent, config);
    await waitTask(agent, config);
    const refused = await agent.driver.signalTask({ taskId: config.id, signal: "TERM" }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "TASK_NOT_RUNNING" });
  });
});

const ignorable = "HUP INT QUIT USR1 USR2 PIPE ALRM TERM PWR";

function started(program: string, allocation = makeAllocation()) {
  return readyTask(agent, { command: "perl", args: ["-e", program] }, allocation);
}
