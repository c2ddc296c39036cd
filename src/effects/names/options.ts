/** The options of a task's own files in /etc. Pure. */
import { z } from "zod";
import { flag, list, mustBe, type PartOptions } from "../options/fields.ts";
import { isHostName, parseHostEntry } from "./hostNames.ts";

export const namesOptions = {
  task: () => ({
    identityFiles: flag().optional().meta({
      description:
        "whether the task has its own `/etc/passwd` and `/etc/group` ([root](#root)); by default the plugin's `identity_files`",
      example: true,
    }),
    extraHosts: list(hostEntry())
      .default([])
      .meta({
        description: "further entries of the task's hosts file ([names](#names)), `NAME:ADDRESS` each",
        example: ["db.internal:192.0.2.5"],
      }),
  }),
  plugin: () => ({
    identityFiles: flag().default(false).meta({
      description: "whether tasks have their own `/etc/passwd` and `/etc/group` by default ([root](#root))",
      example: true,
    }),
  }),
} satisfies PartOptions;

/** `NAME:ADDRESS`; an IPv6 address contains further colons. */
const hostEntry = () =>
  z.string(mustBe("a string")).refine((entry) => {
    const { name, address } = parseHostEntry(entry);
    return isHostName(name) && ipAddress.safeParse(address).success;
  }, "must be a name, a colon and an IP address, such as db.internal:192.0.2.5");

const ipAddress = z.union([z.ipv4(), z.ipv6()]);
