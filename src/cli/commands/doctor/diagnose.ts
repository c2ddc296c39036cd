/** `doctor`: checks whether this host can run tasks. */
import { findLeftovers } from "../../../client/work/leftovers.ts";
import { findDenialProblem } from "../../../effects/audit/denialWatch.ts";
import { probeHost } from "../../../effects/host/hostFacts.ts";
import { findRootProblem } from "../../../effects/root/rootTemplates.ts";
import { visible, visibleJson } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import { leftoverSentence } from "../../tasks/leftoverText.ts";
import { print } from "../../terminal/output.ts";
import { type Style, styleFor, widthOf } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";
import { type Report, reportOn, type Verdict } from "./report.ts";
import { inspectStateFolder } from "./stateFolderCheck.ts";

/** @returns the exit code: 1 if tasks cannot run */
export async function diagnose(stateDir: string, json: boolean): Promise<number> {
  const leftovers = findLeftovers().map((each) => leftoverSentence(each, Date.now()));
  const facts = probeHost();
  const privateRootProblem = facts.root ? await findRootProblem() : undefined;
  const denialProblem = await findDenialProblem("auto", facts.landlockAbi);
  const state = inspectStateFolder(stateDir);
  const report = reportOn(facts, state, leftovers, { privateRootProblem, denialProblem });
  const text = json
    ? visibleJson(report, 2)
    : formatReport(report, styleFor(process.stdout), widthOf(process.stdout));
  print(text);
  return report.fit ? 0 : 1;
}

export function formatReport({ fit, checks, problems }: Report, style: Style, width: number): string {
  const marks: Record<Verdict, string> = {
    fit: style.green("ok"),
    limited: style.yellow("--"),
    unfit: style.red("!!"),
  };
  const table = checks.map(({ name, verdict, found }) => [marks[verdict], name, visible(found)]);
  const paragraphs = problems.map(({ what, consequence, remedy }) =>
    [
      ...paragraph(style.bold(visible(what)), "", width),
      ...paragraph(visible(consequence), "  so:   ", width),
      ...paragraph(visible(remedy), `  ${style.cyan("hint:")} `, width),
    ].join("\n"),
  );
  const verdict = fit
    ? problems.length > 0
      ? style.yellow("Tasks can run on this host, with the limitations above.")
      : style.green("This host supports everything that the driver can use.")
    : style.red("Tasks cannot run on this host.");
  return [formatTable(table, width), ...paragraphs, verdict].join("\n\n");
}

/** Wraps text, with a lead before its first line and an indent before the others. */
function paragraph(text: string, lead: string, width: number): string[] {
  const indent = lead === "" ? 0 : 8;
  const [first = "", ...rest] = wrap(text, width - indent);
  return [lead + first, ...rest.map((line) => " ".repeat(indent) + line)];
}
