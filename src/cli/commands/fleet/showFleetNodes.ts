/** `fleet nodes`: which nodes have which driver, kernel and health, and where they differ. */
import { describeNodes } from "../../../fleet/nodes.ts";
import { type AddressOptions, nomadAddress } from "../../../fleet/nomadAddress.ts";
import { NomadApi } from "../../../fleet/nomadApi.ts";
import { readAllNodes } from "../../../fleet/readFleet.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { progressBar } from "../../terminal/progressBar.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { fleetNodesText } from "./fleetNodesView.ts";

/**
 * @returns the exit code
 * @throws DriverError `NOMAD_UNREACHABLE`, `NOMAD_REFUSED`, `NOMAD_FAILED`, `CONFIG_INVALID`
 */
export async function showFleetNodes(json: boolean, options: AddressOptions): Promise<number> {
  const api = new NomadApi(nomadAddress(process.env, options));
  const { stdout, stderr } = process;
  try {
    const bar = progressBar(stderr);
    const nodes = describeNodes(await readAllNodes(api, bar.show).finally(bar.clear));
    print(json ? jsonOf("fleet nodes", nodes) : fleetNodesText(nodes, styleFor(stdout), widthOf(stdout)));
    return 0;
  } finally {
    api.close();
  }
}
