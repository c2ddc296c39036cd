/** The options of a task's user, groups and capabilities. Pure. */
import { DriverError } from "../../base/errors.ts";
import {
  checkedText,
  flag,
  list,
  notAllowed,
  oneOf,
  type PartOptions,
  type PluginValues,
  type TaskValues,
  text,
} from "../options/fields.ts";
import { capabilityProblem, contradiction } from "./capabilityOptions.ts";
import { idRangesProblem } from "./idRanges.ts";
import { listedGroupProblem } from "./listedGroups.ts";

export const usersOptions = {
  task: () => ({
    capAdd: list(capabilityName())
      .default([])
      .meta({
        description:
          "[capabilities](#capabilities) of the task and its programs, from the plugin's `allow_caps`; or `all`",
        example: ["net_bind_service"],
      }),
    capDrop: list(capabilityName())
      .default([])
      .meta({
        description:
          'capabilities to remove from a task of root, or from `cap_add = ["all"]`. With `["all"]` the task has only those of `cap_add`',
        example: ["all"],
      }),
    groups: list(text().min(1, "must not be empty"))
      .default([])
      .meta({
        description:
          "supplementary groups, by name or number, without the user's own on the host; needs the plugin's `groups_by_task`",
        example: ["video", "2000"],
      }),
  }),
  plugin: () => ({
    allowRoot: flag().default(false).meta({
      description:
        "whether tasks may run as the host's root, with the capabilities of `allow_caps` ([users](#users))",
      example: true,
    }),
    allowedUsers: list(text().min(1, "must not be empty"))
      .optional()
      .meta({
        description:
          "the host's users that tasks may run as, by names in which `*` matches any characters; `[]` for none. Dynamic users need no entry. By default all but root, which needs `allow_root` ([users](#users))",
        example: ["app-*", "nobody"],
      }),
    allowCaps: list(capabilityName())
      .default(["net_bind_service"])
      .meta({
        description:
          "the capabilities that tasks may get, by `cap_add` or as root: names with or without `CAP_`, in any case, or `all` ([capabilities](#capabilities))",
        example: ["net_bind_service", "net_raw"],
      }),
    groupsByTask: list(listedGroup())
      .default([])
      .meta({
        description:
          "what jobs may name in `groups`: the host's groups by names in which `*` matches any characters, and numbers and ranges of them. [Some groups](#users) are no job's",
        example: ["video", "app-*", "2000-2999"],
      }),
    dynamicUserIds: idRanges().default("80000-89999").meta({
      description:
        "ids of dynamic users (`nomad-<n>`), as in the client's `users` block (`dynamic_user_min` to `dynamic_user_max`). Others are refused, and those that the host's users, groups, name services, `/etc/subuid` or `/etc/subgid` have",
      example: "200000-209999",
    }),
    sharedDynamicIds: oneOf(["refuse", "warn"]).default("refuse").meta({
      description:
        "for a task whose dynamic user a living task of another allocation has: `refuse` the start, and the agent tries again; or `warn` by a task event ([users](#users))",
      example: "warn",
    }),
    deniedHostUids: idRanges().default("").meta({
      description: "uids that no task may have: single ids and ranges",
      example: "0,100-999",
    }),
    deniedHostGids: idRanges().default("").meta({
      description: "gids that no task may have, primary or supplementary",
      example: "0,27,42",
    }),
  }),
} satisfies PartOptions;

interface Values {
  readonly task: TaskValues<typeof usersOptions>;
  readonly plugin: PluginValues<typeof usersOptions>;
}

/** @throws DriverError `CONFIG_INVALID` */
export function settleUsers(task: Values["task"], plugin: Values["plugin"]): void {
  if (task.groups.length > 0 && plugin.groupsByTask.length === 0) {
    throw new DriverError("CONFIG_INVALID", notAllowed("groups"), {
      option: "groups",
      hint: "Remove it, or list the groups in groups_by_task in the client's plugin block of this driver",
    });
  }
  const conflict = contradiction(task);
  if (conflict === undefined) return;
  throw new DriverError("CONFIG_INVALID", `The task's config contradicts itself: ${conflict}`, {
    option: "cap_add",
  });
}

const capabilityName = () => checkedText(capabilityProblem);

const listedGroup = () =>
  checkedText((entry) => {
    const message = listedGroupProblem(entry);
    return message === undefined
      ? undefined
      : { message, hint: 'Write a name, or numbers, such as "2000-2999"' };
  });

const idRanges = () =>
  checkedText((ranges) => {
    const message = idRangesProblem(ranges);
    return message === undefined ? undefined : { message, hint: 'Write ids and ranges, such as "0,100-999"' };
  });
