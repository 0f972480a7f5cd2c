import { ApiError } from "../kube/errors.ts";
import { CliError } from "./errors.ts";

/** Any error as a sentence and a hint. What nobody expected keeps its message, never its stack. */
export function explainError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof ApiError) return explainApiError(error);
  return new CliError(
    error instanceof Error ? error.message : String(error),
    "this is a fault of kubectl zenith; please report it, with ZENITH_DEBUG=1 set",
  );
}

function explainApiError(error: ApiError): CliError {
  const { message } = error;
  switch (error.kind) {
    case "network":
      if (error.cause instanceof Error && message.endsWith("credentials are not to be had"))
        return new CliError(`The credentials of the kubeconfig cannot be had: ${error.cause.message}`);
      return isNobodyThere(message)
        ? new CliError(
            "There is no kubeconfig, and no API server at localhost:8080",
            "set KUBECONFIG, or name a file with --kubeconfig",
          )
        : new CliError(`The API server cannot be reached: ${withoutRequest(message)}`, "check kubectl cluster-info");
    case "timeout":
      return new CliError(`The API server did not answer in time: ${withoutRequest(message)}`, "try again");
    case "unauthorized":
      return new CliError("The API server does not know you", "log in again, and check kubectl auth whoami");
    case "forbidden":
      return new CliError(withoutRequest(message), "ask for the right, and check kubectl auth can-i --list");
    case "notFound":
      return isKindMissing(error)
        ? new CliError(
            `This cluster does not know what Zenith needs: ${message.replace(/^Cannot \S+ (\S+):.*$/s, "$1")} is not there`,
            "install Zenith's definitions first: kubectl apply -k crds",
          )
        : new CliError(withoutRequest(message));
    case "conflict":
      return new CliError(`${withoutRequest(message)}`, "someone changed it at the same moment; try again");
    case "exists":
      return new CliError(withoutRequest(message), "take another name, or delete that one first");
    default:
      return new CliError(withoutRequest(message));
  }
}

/** What the client library falls back to where there is no kubeconfig. */
function isNobodyThere(message: string): boolean {
  return /ECONNREFUSED (127\.0\.0\.1|::1):8080/.test(message);
}

/** An object that is missing has a Status with its name; a path that nobody serves has not. */
function isKindMissing({ details }: ApiError): boolean {
  return (details as { name?: string } | undefined)?.name === undefined;
}

function withoutRequest(message: string): string {
  return message.replace(/^Cannot [A-Z]+ \S+: /, "");
}
