import { Argument, Command } from "commander";
import type { KubeObject } from "../../api/kubernetes.ts";
import { KINDS } from "../cluster/cluster.ts";
import { complete } from "../completion.ts";
import { EXIT } from "../errors.ts";
import type { Bind } from "../program.ts";
import type { Session } from "../session.ts";

/** A shell does not wait for long. */
const NAMES_IN_MS = 2_000;
/** kubectl and cobra: no files where nothing fits. */
const NO_FILES = ":4";

const BASH = `# kubectl zenith completion bash > /etc/bash_completion.d/kubectl-zenith
_kubectl_zenith() {
  local IFS=$'\\n'
  COMPREPLY=($(kubectl-zenith __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | sed -e '/^:/d' -e 's/\\t.*//'))
}
complete -F _kubectl_zenith kubectl-zenith`;

const ZSH = `#compdef kubectl-zenith
# kubectl zenith completion zsh > "\${fpath[1]}/_kubectl-zenith"
_kubectl_zenith() {
  local -a lines candidates
  local line
  lines=("\${(@f)$(kubectl-zenith __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    case $line in
      :*) ;;
      *$'\\t'*) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      *) candidates+=("\${line//:/\\\\:}") ;;
    esac
  done
  _describe 'kubectl zenith' candidates
}
# Out of a folder of $fpath this file is itself what completes; sourced, it says what does.
if [[ $funcstack[1] == _kubectl-zenith ]]; then _kubectl_zenith; else compdef _kubectl_zenith kubectl-zenith; fi`;

const FISH = `# kubectl zenith completion fish > ~/.config/fish/completions/kubectl-zenith.fish
function __kubectl_zenith
  set -l words (commandline -opc) (commandline -ct)
  kubectl-zenith __complete $words[2..] 2>/dev/null | string match -v ':*'
end
complete -c kubectl-zenith -f -a '(__kubectl_zenith)'`;

const KUBECTL = `#!/bin/sh
# Put this on PATH as kubectl_complete-zenith, executable: kubectl asks it what fits behind "kubectl zenith".
exec kubectl-zenith __complete "$@"`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH, kubectl: KUBECTL };

export function completionCommand(bind: Bind): Command {
  return new Command("completion")
    .addArgument(
      new Argument("<shell>", "bash, zsh or fish for kubectl-zenith; kubectl for kubectl zenith").choices(
        Object.keys(SCRIPTS),
      ),
    )
    .description("Prints a script that completes commands, flags and names of Rollouts and FeatureFlags.")
    .action(
      bind(async (session, [shell]) => {
        session.print(SCRIPTS[shell] ?? "");
        return EXIT.ok;
      }),
    );
}

/** What the scripts call: candidates, one a line, and what to do where none fits. */
export function completeCommand(bind: Bind, program: () => Command): Command {
  return new Command("__complete")
    .argument("[words...]")
    .allowUnknownOption()
    .action(
      bind(async (session, [words]) => {
        const { candidates, names } = complete(program(), words);
        const known = names === undefined ? [] : await namesKnown(session, names, words.at(-1) ?? "");
        const lines = candidates.map(({ word, about }) => (about === "" ? word : `${word}\t${about}`));
        session.print(...lines, ...known, NO_FILES);
        return EXIT.ok;
      }),
    );
}

async function namesKnown(session: Session, kind: "rollout" | "flag", current: string): Promise<string[]> {
  const prefix = current.startsWith("flag/") ? "flag/" : "";
  try {
    const { cluster } = session;
    const type = kind === "flag" ? KINDS.flags : KINDS.rollouts;
    const list = cluster.resources.list<KubeObject>(type, cluster.namespace);
    const objects = await Promise.race([list, patience(session)]);
    return objects.map(({ metadata }) => `${prefix}${metadata.name}`).filter((name) => name.startsWith(current));
  } catch {
    return []; // Whoever completes a word wants no errors between its letters.
  }
}

async function patience(session: Session): Promise<KubeObject[]> {
  await session.clock.sleep(NAMES_IN_MS, session.io.signal);
  return [];
}
