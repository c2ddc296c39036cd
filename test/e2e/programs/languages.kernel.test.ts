/** Interpreters and compilers in roots that have the default paths and their own installations. */
import { testPrograms } from "../../support/agent/programs.ts";
import { languages } from "./languages.ts";

testPrograms(languages);
