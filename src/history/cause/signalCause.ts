/** The cause of an end by a signal, from what the kernel shows of it. Pure. */
import { signalMeaning, signalName } from "../../base/signalNames.ts";
import { SIGNALLED } from "../../base/taskEnd.ts";
import { type BlackBoxRecord, placeOfCrash, strangerText } from "../../machines/events/blackBox.ts";
import type { Cause } from "../../machines/events/cause.ts";
import type { Exit } from "../../machines/events/ending.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { consequenceMs, type HostEvidence, limitOf, witnessed } from "./evidence.ts";

/** CPU time is counted in ticks: a process that the kernel ends may show a little less than its limit. */
const ofCpuLimit = 0.95;

/** The kernel sends these to a process that writes, in the process's own name: signal(7), SI_USER. */
const ofWrites: ReadonlySet<string> = new Set(["SIGPIPE", "SIGXFSZ"]);

export function signalCause(context: TaskContext, end: Exit, evidence: HostEvidence): Cause {
  const { signal } = end;
  const { cpuSeconds, recorded, oomKill } = evidence;
  const name = signalName(signal);
  const main = context.process?.task.pid;
  const noted = recorded?.record.signals.findLast((each) => each.signal === signal && each.target === main);
  const sent = noted?.sender?.pid === main && ofWrites.has(name) ? undefined : noted;
  const isOfProcess = sent !== undefined && sent.sender !== null;
  if (!isOfProcess) {
    const limit = ofLimit(context, name, cpuSeconds);
    if (limit !== undefined) return limit;
    if (oomKill === "host")
      return witnessed(
        "host_memory",
        "killed by the kernel: the host ran out of memory, as the kernel's log says",
      );
    if (oomKill === "cgroup") {
      return witnessed(
        "host_memory",
        "killed by the kernel: a memory limit was full that the driver did not set, as the kernel's log says",
      );
    }
  }
  const say = (text: string) => witnessed("signal", text);
  const { crash } = recorded?.record ?? {};
  const fault = signalMeaning(signal);
  // A process may send itself a signal that the kernel sends for a fault, and others may.
  if (crash != null && crash.pid === main && crash.signal === signal)
    return say(`${name}: ${fault ?? "it crashed"}, ${placeOfCrash(crash)}`);
  if (sent !== undefined && (isOfProcess || fault === undefined)) {
    if (name === "SIGABRT" && sent.sender?.isOwn) return say(`${name}: ${fault ?? ""}`);
    return say(`${signal === SIGKILL ? "killed" : `ended by ${name}, sent`} by ${senderText(sent)}`);
  }
  const { lastSignal } = context;
  if (lastSignal?.signal === signal && Math.abs(end.endedAt - lastSignal.at) <= consequenceMs)
    return say(`ended by ${name}, which the agent sent it right before its end`);
  if (fault !== undefined) return say(`ended by ${name}, whose usual reason is: ${fault}`);
  if (context.signals > 0)
    return say(
      `ended by ${name}; the agent sent it signals while it ran, and who sent this one is not recorded`,
    );
  // No cgroup counts the kernel's kills, and its log cannot be read.
  if (name === "SIGKILL" && oomKill === undefined && end.oom === null)
    return say(`${name}, sent by the kernel for lack of memory, or by a process, not by the driver`);
  return say(`ended by ${name}, which the driver did not send; who did is not recorded`);
}

const SIGKILL = 9;

/** The cause of a signal that the kernel sends for one of the task's own limits. */
function ofLimit(context: TaskContext, name: string, cpuSeconds: number | undefined): Cause | undefined {
  const { soft, hard } = limitOf(context, "RLIMIT_CPU");
  if (name === "SIGXCPU")
    return witnessed("cpu_time", `it used all of its CPU time: ulimit cpu = ${soft ?? "unknown"} s`);
  if (name === "SIGXFSZ") {
    const { soft: size } = limitOf(context, "RLIMIT_FSIZE");
    return witnessed(
      "file_size",
      `a file got larger than its limit: ulimit fsize = ${size ?? "unknown"} bytes`,
    );
  }
  if (name !== "SIGKILL" || hard === null || cpuSeconds === undefined || cpuSeconds < hard * ofCpuLimit)
    return undefined;
  return witnessed(
    "cpu_time",
    `it used all of its CPU time, ${hard} s (ulimit cpu), and was killed by the kernel`,
  );
}

/**
 * The signal that ended a command of the task, if its exit code is the one that shells return for it, and if the record
 * has such a signal: other programs exit with such codes for their own reasons.
 */
export function signalOfCommand(
  { exitCode }: Exit,
  { recorded }: HostEvidence,
  line: string | undefined,
): Cause | undefined {
  const signal = exitCode - SIGNALLED;
  if (recorded === undefined || signal < 1 || signal > 64) return undefined;
  const { crash, signals } = recorded.record;
  const text = `exit code ${exitCode}: one of its processes got ${signalName(signal)}`;
  if (crash?.signal === signal) return witnessed("signal", `${text}, ${placeOfCrash(crash)}`, line);
  const sent = signals.findLast((each) => each.signal === signal);
  return sent && witnessed("signal", `${text}, sent by ${senderText(sent)}`, line);
}

type SentSignal = BlackBoxRecord["signals"][number];

/** Such as `pid 4711 (systemd), user root`. */
function senderText({ sender }: SentSignal): string {
  if (sender === null) return "the kernel itself, not by a process";
  if (sender.program === "nomad-driver-exec2") return "the driver, for the agent";
  return sender.isOwn ? `pid ${sender.pid} (${sender.program}), a process of the task` : strangerText(sender);
}
