/** Programs of the command line in roots that have the default paths and their own installations. */
import { testPrograms } from "../../support/agent/programs.ts";
import { tools } from "./tools.ts";

testPrograms(tools);
