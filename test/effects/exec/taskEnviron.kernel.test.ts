/** The environment of a running process, which may pretend to have another environment. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readTaskEnviron } from "../../../src/effects/exec/taskEnviron.ts";
import { processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import { errorOf } from "../../support/errors.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** Declares 64 MiB of other memory as its environment, which needs no privilege (prctl(2), PR_SET_MM_MAP). */
const liar = `
#define _GNU_SOURCE
#include <linux/prctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void) {
  char text[4096] = {0};
  FILE *stat = fopen("/proc/self/stat", "r");
  fread(text, 1, sizeof text - 1, stat);
  unsigned long long field[60] = {0};
  int number = 3;
  for (char *word = strtok(strrchr(text, ')') + 2, " "); word; word = strtok(NULL, " ")) field[number++] = strtoull(word, NULL, 10);
  size_t size = 64 << 20;
  char *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  struct prctl_mm_map map = {
    .start_code = field[26], .end_code = field[27], .start_stack = field[28],
    .start_data = field[45], .end_data = field[46], .start_brk = field[47], .brk = (uint64_t)sbrk(0),
    .arg_start = field[48], .arg_end = field[49],
    .env_start = (uint64_t)memory, .env_end = (uint64_t)memory + size,
    .exe_fd = -1,
  };
  if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0)) perror("prctl");
  else puts("lies");
  fflush(stdout);
  pause();
}
`;

function started(command: string, env: Record<string, string> = {}): ChildProcess {
  const child = spawn(command, command === "sleep" ? ["1000"] : [], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

it("a process's environment is the one that it was executed with", async () => {
  const child = started("sleep", { TOKEN: "a=b" });
  await once(child, "spawn");
  const { PATH } = process.env;
  expect(readTaskEnviron(processIdentity(child.pid as number))).toEqual({ PATH, TOKEN: "a=b" });
});

it("a process's environment is not read if its pid belongs to another process", async () => {
  const child = started("sleep");
  await once(child, "spawn");
  const { pid, startTicks } = processIdentity(child.pid as number);
  const earlier = { pid, startTicks: startTicks - 1 };
  expect(errorOf(() => readTaskEnviron(earlier))).toMatchObject({ code: "TASK_NOT_RUNNING" });
});

it("an environment larger than execve allows is refused, because the plugin would run out of memory", async (context) => {
  requireTools(context, "cc");
  const folder = temporaryFolder();
  writeFileSync(join(folder, "liar.c"), liar);
  const { status, stderr } = spawnSync("cc", ["-o", "liar", "liar.c"], { cwd: folder, encoding: "utf8" });
  expect([status, stderr]).toEqual([0, expect.anything()]);
  const child = started(join(folder, "liar"));
  const [said] = await once(child.stdout as NodeJS.ReadableStream, "data");
  expect(String(said)).toBe("lies\n");
  expect(errorOf(() => readTaskEnviron(processIdentity(child.pid as number)))).toMatchObject({
    code: "KERNEL_CALL_FAILED",
    summary: "the task's environment is larger than execve(2) allows",
  });
});
