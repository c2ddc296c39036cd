/** The options of the filter of system calls. Pure. */
import { z } from "zod";
import {
  addProblem,
  checkedText,
  eachOnce,
  list,
  mustBe,
  type PartOptions,
  text,
} from "../options/fields.ts";
import { callProblem, deniedCallProblem, profileProblem } from "./profileOptions.ts";

export const seccompOptions = {
  task: () => ({
    seccomp: text().optional().meta({
      description:
        "the profile of [system calls](#system-calls), by default the plugin's `seccomp`; others have to be in `allow_seccomp`",
      example: "unconfined",
    }),
    seccompAllow: list(allowedCall())
      .default([])
      .meta({
        description:
          "calls and groups that the task may make although the profile refuses them. They have to be in the plugin's `allow_seccomp`",
        example: ["@io_uring", "userfaultfd"],
      }),
    seccompDeny: list(deniedCall())
      .default([])
      .meta({
        description: "further calls and groups of calls that are refused (EPERM)",
        example: ["ptrace", "process_vm_readv", "process_vm_writev"],
      }),
  }),
  plugin: () => ({
    seccomp: text().default("default").meta({
      description:
        "the profile of [system calls](#system-calls) for tasks that do not name one: `default`, `unconfined`, or one of `seccomp_profiles`",
      example: "offline",
    }),
    seccompProfiles: seccompProfileBlocks()
      .default([])
      .meta({
        description:
          "the operator's own profiles: what each allows (`+`) or refuses (`-`) beside the default profile, names of calls or of groups (`@`)",
        example: [{ offline: ["-socket", "-ptrace"], browser: ["+@namespace", "+chroot"] }],
      }),
    allowSeccomp: list(text())
      .default([])
      .meta({
        description: "profiles, calls and groups that jobs may use in addition to `seccomp`, or `all`",
        example: ["browser", "@io_uring"],
      }),
  }),
} satisfies PartOptions;

/** The name of a system call, or of a group of calls. */
const allowedCall = () => checkedText(callProblem);
const deniedCall = () => checkedText(deniedCallProblem);

/** Blocks of profiles. Each profile lists what it allows and refuses. */
const seccompProfileBlocks = () =>
  z
    .array(z.record(z.string(), list(text()), mustBe("a block of profiles")), mustBe("a block of profiles"))
    .superRefine((blocks, context) => {
      for (const [name, entries] of eachOnce(blocks, context))
        addProblem(context, profileProblem(name, entries));
    });
