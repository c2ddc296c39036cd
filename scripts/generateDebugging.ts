/** Updates the program's output in docs/debugging.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renewPage } from "./debugging/page.ts";

const page = join(import.meta.dirname, "../docs/debugging.md");
writeFileSync(page, renewPage(readFileSync(page, "utf8")));
