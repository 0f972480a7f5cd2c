import { readFileSync } from "node:fs";
import { stringify } from "yaml";

/** What Argo CD is told of our kinds, as a patch of its ConfigMap, from the scripts in integrations/argo-cd. */

const FOLDER = "integrations/argo-cd";
/** The action's name in Argo CD, and the verb that it asks for. */
const VERBS: Readonly<Record<string, string>> = {
  promote: "promote",
  "promote-full": "promote:full",
  pause: "pause",
  resume: "resume",
  abort: "abort",
  retry: "retry",
  rollback: "rollback",
};
const HEAD = `# Generated from the scripts beside it by npm run generate; do not edit.
# kubectl -n argocd patch configmap argocd-cm --patch-file integrations/argo-cd/argocd-cm.yaml
`;

export function argoConfigMap(): string {
  const script = (name: string) => readFileSync(`${FOLDER}/${name}`, "utf8");
  const definitions = Object.entries(VERBS).map(([name, verb]) => ({
    name,
    "action.lua": script("actions/action.lua").replace("VERB", verb),
  }));
  const actions = { "discovery.lua": script("actions/discovery.lua"), definitions };
  const data = {
    "resource.customizations.health.zenith.sh_Rollout": script("health.lua"),
    "resource.customizations.actions.zenith.sh_Rollout": stringify(actions, { lineWidth: 0 }),
  };
  return HEAD + stringify({ data }, { lineWidth: 0 });
}
