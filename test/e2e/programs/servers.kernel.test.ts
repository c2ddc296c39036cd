/** Servers in roots that have the default paths and their own installations. They listen on unix sockets. */
import { testPrograms } from "../../support/agent/programs.ts";
import { servers } from "./servers.ts";

testPrograms(servers);
