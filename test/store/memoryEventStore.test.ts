import { memoryEventStore } from "../../src/store/memoryEventStore.ts";
import { eventStoreContract } from "./eventStoreContract.ts";

eventStoreContract("memory", async () => memoryEventStore());
