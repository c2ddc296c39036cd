/** What name servers answer: whoever a name belongs to writes it. */
import {
  isAnswer,
  maxAddresses,
  questionMessage,
  readAnswer,
} from "../../../src/effects/egress/dnsMessage.ts";
import { parseAddress } from "../../../src/effects/network/addresses.ts";
import { addressRecord, answerTo } from "../../support/host/dnsMessage.ts";
import { hold, type Target } from "../target.ts";

const question = { name: "api.example.org", type: 1, id: 1 } as const;

/** Input: a message. */
export const nameAnswers: Target = {
  seeds: () => [
    answerTo(questionMessage(question, true), 0x8180, [addressRecord(Buffer.of(10, 0, 0, 1), 60)]),
  ],
  fuzz(input) {
    if (!isAnswer(input, question)) return;
    const { addresses = [], ttl = 0, unused = 0 } = readAnswer(input, question) ?? {};
    hold(addresses.length <= maxAddresses, "an answer has too many addresses");
    hold(
      addresses.every((each) => parseAddress(each) !== undefined),
      "an address is none",
    );
    hold(Number.isSafeInteger(ttl) && ttl >= 0 && unused >= 0, "a number is none");
  },
};
