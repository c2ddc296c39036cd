/** Limits on what tasks write to their own folders. */
import { limitedDisks } from "../../effects/paths/limitedDisks.ts";
import { NodeDisk } from "../disk/nodeDisk.ts";
import type { NodePart } from "./nodePart.ts";

const find = () => {
  const places = limitedDisks();
  return places.length > 0 ? { places } : { problem: "no project quotas" };
};

export const disk = {
  open: ({ log, folder }) => new NodeDisk(log, folder.path),
  offer: {
    now: find,
    find,
    // Jobs may ask whether it is set.
    attributes: ({ places }) => ({ disk_limit: places?.join(",") }),
    check: {
      name: "disk limits",
      found: ({ places }) =>
        places === undefined
          ? "no project quotas: mount the file system of the agent's data_dir, ext4 or xfs, with prjquota"
          : `by project quotas at ${places.join(", ")}`,
      serves: "limiting what tasks write to disks",
    },
  },
} satisfies NodePart<NodeDisk>;
