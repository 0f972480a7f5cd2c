import type { AuditEvent } from "./cluster.ts";

/** A Role or ClusterRole. */
export interface RightsGiven {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** "patch apps/deployments", for each right that the roles give, wherever they give it. */
export function rightsIn(roles: readonly RightsGiven[]): string[] {
  const rights = roles.flatMap(({ rules }) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
      ),
    ),
  );
  return [...new Set(rights)].sort();
}

/** The requests of an account, which is written "namespace:name". */
export function askedBy(account: string, events: readonly AuditEvent[]): AuditEvent[] {
  return events.filter(({ user }) => user.username === `system:serviceaccount:${account}`);
}

/** The rights that requests have asked for. */
export function rightsOf(events: readonly AuditEvent[]): string[] {
  return [...new Set(events.map(rightOf))].sort();
}

/** What was refused. */
export function refusalsIn(events: readonly AuditEvent[]): string[] {
  return events.filter(({ responseStatus }) => responseStatus?.code === 403).map(rightOf);
}

function rightOf({ verb, objectRef }: AuditEvent): string {
  const { apiGroup = "", resource = "", subresource } = objectRef ?? {};
  return `${verb} ${apiGroup}/${resource}${subresource === undefined ? "" : `/${subresource}`}`;
}
