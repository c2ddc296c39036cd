/**
 * grpc.reflection: describes the services to tools such as grpcurl. The first request
 * loads the descriptors.
 */
import type { ServerDuplexStream, ServiceDefinition } from "@grpc/grpc-js";
import { Status as status } from "@grpc/grpc-js/build/src/constants.js";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  type ServerReflectionServer,
  ServerReflectionService,
} from "../generated/grpc/reflection.ts";

/** The same service under the name that older tools use. */
export const reflectionAlphaDefinition: ServiceDefinition = {
  serverReflectionInfo: {
    ...ServerReflectionService.serverReflectionInfo,
    path: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
  },
};

/** @param serviceNames fully qualified names of the server's services */
export function reflectionService(serviceNames: readonly string[]): ServerReflectionServer {
  return {
    serverReflectionInfo(call) {
      answerEach(call, async (request) => ({
        validHost: request.host,
        originalRequest: request,
        messageResponse: await answerOf(request, serviceNames),
      }));
    },
  };
}

type Call = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/** Answers the requests in their order, and ends the call after the last request. */
function answerEach(
  call: Call,
  answer: (request: ServerReflectionRequest) => Promise<ServerReflectionResponse>,
) {
  let last = Promise.resolve();
  call.on("data", (request: ServerReflectionRequest) => {
    last = last.then(async () => void call.write(await answer(request)));
  });
  call.on("end", () => {
    last = last.finally(() => call.end());
  });
}

async function answerOf(
  { messageRequest }: ServerReflectionRequest,
  serviceNames: readonly string[],
): Promise<Answer> {
  const { files } = await import("../generated/descriptors.ts");
  switch (messageRequest?.$case) {
    case "listServices":
      return { $case: "listServicesResponse", value: { service: serviceNames.map((name) => ({ name })) } };
    case "fileByFilename":
      return filesFor(files.find(({ name }) => name === messageRequest.value));
    case "fileContainingSymbol":
      return filesFor(files.find(({ symbols }) => symbols.includes(messageRequest.value)));
    default:
      // The other requests are about extensions, and these services have none.
      return notFound;
  }

  /** A file and all files that it imports, also indirectly. */
  function filesFor(found: (typeof files)[number] | undefined): Answer {
    if (found === undefined) return notFound;
    const wanted = new Set([found]);
    // The loop also visits the files that it adds.
    for (const file of wanted) {
      for (const other of files) if (file.imports.includes(other.name)) wanted.add(other);
    }
    const fileDescriptorProto = [...wanted].map(({ bytes }) => Buffer.from(bytes, "base64"));
    return { $case: "fileDescriptorResponse", value: { fileDescriptorProto } };
  }
}

const notFound: Answer = {
  $case: "errorResponse",
  value: { errorCode: status.NOT_FOUND, errorMessage: "not found" },
};
