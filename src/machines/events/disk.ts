/** Events of a task with a limit on its disk. Pure. */
import { z } from "zod";
import { describeFill, levelOf, limitedFolders, toldPercents } from "../../effects/disk/diskFill.ts";
import { defineEvent } from "./defineEvent.ts";

/** The highest percentage of each limit that was told; 0: none. */
export const diskHistory = z.object({ own: z.number(), shared: z.number() });

type DiskHistory = z.infer<typeof diskHistory>;

/** A limit on the task's disk is nearly or wholly used. Each is told once a run, however often it happens. */
const diskFilled = defineEvent({
  schema: z.object({
    folders: z.enum(limitedFolders),
    percent: z.literal(toldPercents),
    unit: z.enum(["bytes", "files"]),
    used: z.number(),
    limit: z.number(),
  }),
  evolve: ({ data: { folders, percent } }, { disk }: { readonly disk: DiskHistory }) => ({
    disk: { ...disk, [folders]: Math.max(disk[folders], percent) },
  }),
  title: "Disk filled",
  summary: (fill) => `disk_limit ${levelOf(fill)}: ${describeFill(fill, fill.folders)}`,
  message: (fill) => ({
    text: `Disk limit ${levelOf(fill)}: ${describeFill(fill, fill.folders)}`,
    annotations: { disk_limit: levelOf(fill) },
  }),
  sentences: (facts) =>
    limitedFolders.flatMap((folders) => {
      const of = facts.filter(({ data }) => data.folders === folders);
      const last = of.at(-1)?.data;
      if (last === undefined) return [];
      return { of, text: `Its disk limit became ${levelOf(last)}: ${describeFill(last, folders)}` };
    }),
  shown: { tone: "bad", category: "run", group: "continues", parties: ["task", "driver"] },
  fields: { ignored: ["used"], masked: {} },
});

export const disk = { diskFilled };
