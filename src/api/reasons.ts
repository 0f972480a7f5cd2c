/** Why a Rollout is where it is: every reason that a condition or an Event can have, what it means, and what to do. The
 * reference is made from this, and `kubectl zenith why` reads it. Words between backquotes are code, as Markdown has it. */

/** Reason, the phases in which it stands, what it means, and what to do. */
export type Reason = readonly [reason: string, phases: string, means: string, remedy: string];

export interface ReasonGroup {
  readonly title: string;
  readonly introduction: string;
  readonly reasons: readonly Reason[];
}

export const REASONS: readonly ReasonGroup[] = [
  {
    title: "As it should be",
    introduction: "",
    reasons: [
      [
        "StartingFirstRevision",
        "Pending",
        "The first revision comes up; nothing serves yet, so it is not judged.",
        "Wait.",
      ],
      [
        "Adopting",
        "Pending",
        "Pods of Zenith come up beside the Deployment's, then the Service moves to them, then the Deployment goes to 0.",
        "Wait.",
      ],
      [
        "WaitingForDeployment",
        "Pending",
        "The Deployment's own rollout is not complete; it is taken over once it is.",
        "Let it finish: `kubectl rollout status deployment/NAME`.",
      ],
      ["Stepping", "Progressing", "The canary walks its steps.", "Watch it, or nothing."],
      [
        "CanaryNotReady",
        "Progressing",
        "The pods of this step are not ready yet; the weight waits for them until `progressDeadline`.",
        "Look at the canary's pods if it lasts; the message names a container that does not come up.",
      ],
      ["Pausing", "Progressing", "A pause with a time.", "Wait, or `promote`."],
      ["Analysing", "Progressing", "An analysis step: stays its time, and until judged.", "Wait, or `promote`."],
      [
        "GateClosed",
        "Progressing",
        "A gate of `spec.gates` is closed, or nobody can tell how it stands: no step is begun. The message names the gate, what was found and what is wanted; `status.gates` has all of them.",
        "Mend what the gate looks at; it opens by itself.",
      ],
      [
        "WaitingForApproval",
        "Paused",
        "A pause without a time, or an approval before the first step: a person decides.",
        "`promote` or `abort`.",
      ],
      [
        "PausedByUser",
        "Paused",
        "Someone said `pause`, or `spec.paused` is true. Breaches are still acted on.",
        "`resume`, or set `spec.paused: false`.",
      ],
      ["HandingOver", "Progressing", "All traffic is on the new revision, and the Service follows.", "Wait."],
      [
        "RoutePending",
        "Progressing",
        "A route's Gateways or meshes have not taken its present generation in, or the route still shows an earlier release.",
        "Look at the route's `status.parents` if it lasts.",
      ],
      [
        "ServiceNotPinned",
        "Progressing",
        "The Service does not select stable alone yet; no release starts before.",
        "Wait; if it lasts, something resets the selector: see its `managedFields`.",
      ],
      [
        "ScalingStable",
        "Progressing, Baking",
        "After `replicas: 0`, stable comes up before the canary, and before a bake goes on; so it does before routes that are added in a release divide traffic.",
        "Wait.",
      ],
      [
        "ScaledToZero",
        "Progressing, Baking",
        "`replicas` is 0: nothing is served, clocks stand still, a release begins anew afterwards.",
        "Set `replicas` above 0.",
      ],
      [
        "Baking",
        "Baking",
        "The new revision serves all traffic and is still judged; a breach brings the one before back.",
        "Nothing until `status.bake.until`.",
      ],
      ["Healthy", "Healthy", "What is wanted serves alone.", "Nothing."],
      [
        "Deleting",
        "Progressing",
        "The Rollout is being deleted; routes, Services and the Deployment are put back first.",
        "Wait.",
      ],
    ],
  },
  {
    title: "Went back",
    introduction:
      "The revision is rejected, and stays away until its template changes or someone says `retry`. Where the table says *blameless* it is not rejected.",
    reasons: [
      [
        "AnalysisFailed",
        "Reverted",
        "A metric was breached; the message has the numbers of both sides.",
        "Mend the revision. `retry` if the cause lay elsewhere.",
      ],
      ["Aborted", "Reverted", "Someone said `abort`.", "`retry`, or deploy another."],
      [
        "Killed",
        "Reverted, Paused",
        "A KillSwitch with `rollouts: abort` took it back; or one that selects this Rollout lets nothing rise, and no release begin. The condition `Killed` is True meanwhile.",
        "Delete the KillSwitch, once it is safe to; what was taken back wants `retry`.",
      ],
      [
        "FlagReverted",
        "Reverted",
        "A FeatureFlag that names this Rollout, with `revertTogether` `rollout` or `both`, was reverted during this release or its bake.",
        "Mend what the flag's message says, then `retry`.",
      ],
      ["RolledBack", "Reverted", "Someone said `rollback`.", "Deploy another, or `retry`."],
      [
        "Rejected",
        "Reverted",
        "It was rejected before, as its record says; status had been lost, or the template was set back to it.",
        "`retry`, or deploy another.",
      ],
      [
        "ProgressDeadlineExceeded",
        "Reverted, Failed",
        "Pods were not ready within `progressDeadline`; the message says what they are waiting for. On a first deploy, and on a takeover, it is Failed and tried on.",
        "Mend the pods, or raise `progressDeadline`.",
      ],
      [
        "CanaryLost",
        "Progressing, Reverted",
        "No canary pod is ready while it has traffic: its traffic goes back. It may return once pods are ready, within `progressDeadline`.",
        "Look at the canary's pods.",
      ],
      [
        "Contested",
        "Progressing",
        "Someone resets a route or a Service of this Rollout, again and again (more than ten times in half a minute): no release starts or rises, and a route that gives the canary less than it should is left so for half a minute. What would give it more is put back at once.",
        "The message names the field manager: let one of both write the object. A GitOps tool that applies server-side needs no exception.",
      ],
      [
        "AnotherGoesBackFirst",
        "Baking",
        "This bake breached, and so did that of a Rollout of the namespace that was promoted later: that one goes back first, as the likelier cause. Then this one is judged anew; the other is not waited for beyond `progressDeadline`.",
        "Look at the other; nothing if this one is well afterwards.",
      ],
      [
        "StableLost",
        "Baking, Reverted",
        "No pod of the promoted revision is ready any more: the one before comes back.",
        "Look at its pods.",
      ],
      [
        "NoData",
        "Progressing, Reverted",
        "Prometheus has no series of the canary, for `analysis.onNoData.after`.",
        "Check `analysis.source` and `labels` against what your pods export: [sources.md](sources.md).",
      ],
      [
        "TooFewRequests",
        "Progressing, Paused, Reverted",
        "Too few requests came to judge by.",
        "Wait, `promote`, or choose `analysis.onUnsure`.",
      ],
      ["Undone", "Progressing", "The spec names stable again: immediate, blameless.", "Nothing."],
      [
        "Superseded",
        "Progressing",
        "A third revision came: the second goes back, blameless, and the third starts at the first step.",
        "Nothing.",
      ],
      [
        "TrafficEdited",
        "Progressing, Pending",
        "`spec.traffic` no longer names what was changed: that is put back first, a release goes back blameless. A route that nobody takes in is waited for until `progressDeadline`.",
        "Wait.",
      ],
    ],
  },
  {
    title: "Holds: nothing rises, nothing is lost",
    introduction: "",
    reasons: [
      [
        "NoPrometheus",
        "Progressing",
        "Analysis is on, and the operator has no Prometheus.",
        "Start it with `--prometheus-url`, or set `spec.analysis.disabled: true`.",
      ],
      [
        "WaitingForMetrics",
        "Progressing",
        "Since the operator began, Prometheus has not answered for every metric.",
        "Wait an interval.",
      ],
      [
        "MetricsUnavailable",
        "Progressing",
        "Prometheus cannot be reached, or answers with an error or something that is no number. Never a breach.",
        "Mend Prometheus, or the query that the message names.",
      ],
      [
        "BothVersionsBad",
        "Progressing",
        "Stable breaches too: the canary is not to blame, and not to be trusted. After five minutes its traffic goes back, for ten.",
        "Look for what hurts both.",
      ],
      [
        "StableDown",
        "Progressing",
        "No stable pod is ready: a release has nothing to be compared with.",
        "Mend stable; after `progressDeadline` the new revision replaces it directly, unless a KillSwitch, a pause, a gate or a problem holds it.",
      ],
      [
        "ReplacingStable",
        "Progressing",
        "Stable had no ready pod for the whole `progressDeadline`: the new revision comes up in its place, unjudged.",
        "Wait.",
      ],
      [
        "StepsEdited",
        "Progressing",
        "The steps were edited, and none has the present weight.",
        "Edit them again, `promote:full`, or `abort`.",
      ],
      [
        "RouteNotAccepted",
        "Progressing, Failed",
        "A parent of a route says `Accepted` or `ResolvedRefs` False, or did not take it in for 30 s. The route goes back to what its author wrote, by way of 0.",
        "Mend the route or its Gateway; the message quotes the parent.",
      ],
    ],
  },
  {
    title: "Cannot go on",
    introduction:
      "Failed, and `Stalled` is True for kstatus. Stable serves on; no release starts. It goes on by itself once the cause is mended.",
    reasons: [
      [
        "SpecImpossible",
        "Failed",
        "The spec has a value that cannot be read; an older CRD let it in.",
        "Mend the field that the message names; apply the CRD of this version.",
      ],
      [
        "InternalFault",
        "Failed",
        "Zenith met a fault of its own while it looked at this Rollout; all stays as it is, and it tries again ever more seldom. Other Rollouts go on.",
        "Report it, with the stack that stands in the operator's log.",
      ],
      [
        "NameTaken",
        "as before",
        "Told as an Event: another object has the name of a child. A new revision gets another name; one that was promoted before waits until the name is free.",
        "Delete or rename the object that the message names, if it waits.",
      ],
      [
        "WriteRefused",
        "as before",
        "Of the condition `WriteFailure`, and an Event: a write keeps failing, and what stands behind it waits. The condition names the write and what the API server says; it goes with the pass that gets everything written. The canary is judged meanwhile, and a breach reverted.",
        "Mend what refuses it: a quota, a policy, a webhook that is down, or a right that the operator lacks.",
      ],
      [
        "TemplateRefused",
        "Failed",
        "The API server, a quota, a policy or a webhook refuses the template, or the ReplicaSet that is made of it; asked again every minute. A Deployment whose template it is stays as it was.",
        "Mend the field that the message names, or what refuses it.",
      ],
      [
        "TargetClaimed",
        "Failed",
        "An older Rollout has the same Deployment, Service or route.",
        "Delete one of both, or name other objects.",
      ],
      [
        "WorkloadMissing",
        "Failed",
        "The Deployment of `spec.workloadRef` does not exist.",
        "Create it, or name another.",
      ],
      [
        "AutoscalerTargetsDeployment",
        "Failed",
        "An HPA scales the Deployment that is to be taken over.",
        "Let its `scaleTargetRef` name the Rollout: `apiVersion: zenith.sh/v1alpha1, kind: Rollout`.",
      ],
      ["AutoscalerTargetsReplicaSet", "Failed", "An HPA scales a ReplicaSet of this Rollout.", "The same."],
      [
        "SelectorOverlaps",
        "Failed",
        "The selector of another workload matches the template's labels; only a first start minds.",
        "Take the Deployment over with `workloadRef`, scale it to 0, or use other labels.",
      ],
      [
        "ServiceMissing",
        "Failed",
        "The Service of `spec.traffic.service` does not exist.",
        "Create it, or take `spec.traffic` out.",
      ],
      [
        "ServiceUnusable",
        "Failed",
        "The Service is of type ExternalName, or has no selector.",
        "Use a ClusterIP Service with a selector.",
      ],
      [
        "ServiceSelectsOthers",
        "Failed",
        "The Service asks for labels that the template does not say: narrowed to our pods it would lead nowhere.",
        "Make selector and labels agree.",
      ],
      [
        "ServiceHasOtherPods",
        "Failed",
        "Before the first start, or newly named, the Service leads to pods of others, which would lose its traffic.",
        "Take their Deployment over with `workloadRef`, or use a Service of its own.",
      ],
      [
        "ServicePortMissing",
        "Failed",
        "A port of the Service leads to a port name that no container has.",
        "Name the container's port, or use its number.",
      ],
      [
        "CanaryServiceTaken",
        "Failed",
        "The canary Service exists and is someone else's.",
        "Delete it, or name one for these pods in `spec.traffic.canaryService`.",
      ],
      [
        "RouteMissing",
        "Failed",
        "A route of `spec.traffic.routes` does not exist; or the Gateway API's CRDs are not installed.",
        "Create it, or take it out.",
      ],
      [
        "RouteHasNoSuchBackend",
        "Failed",
        "No rule of the route names the Service, in the Rollout's own namespace.",
        "Name the Service in a `backendRef`.",
      ],
      ["RouteRepeatsBackend", "Failed", "A rule names the Service twice.", "Make one entry of both."],
      ["RouteFull", "Failed", "A rule has 16 backends: the canary's would be the seventeenth.", "Take one out."],
      [
        "RouteGivesCanaryTraffic",
        "Failed",
        "The author gives the canary Service weight while no release is on its way.",
        "Set that weight to 0.",
      ],
      ["RoutePortMissing", "Failed", "A `backendRef` names a port that the Service lacks.", "Name one that it has."],
      [
        "DoubleSplit",
        "Failed",
        "A Gateway's route and a mesh's divide traffic to one Service: what a client gets is split twice.",
        "Take one out, or set `spec.traffic.allowDoubleSplit`.",
      ],
      [
        "SourceCannotSeparate",
        "Failed, Progressing",
        "The metrics source counts both sides as one, or gRPC calls that failed as good ones: a bad canary would be hidden.",
        "Use the pods' own metrics, or a mesh's: [sources.md](sources.md).",
      ],
      [
        "QueryVariable",
        "Failed, Progressing",
        "A query names a variable that there is not, that has no value here, or that stands outside quotes.",
        "Mend the query.",
      ],
      [
        "QueryRefused",
        "Failed, Progressing",
        "Prometheus cannot read a query; the message has line and column.",
        "Mend the query.",
      ],
    ],
  },
];

/** Reason, type of the Event, and what it means. */
export const EVENTS_ALONE: readonly (readonly [reason: string, type: string, means: string])[] = [
  ["Started", "Normal", "A release begins."],
  ["WeightRaised", "Normal", "The canary gets more traffic."],
  ["Paused", "Normal", "A release waits for a person."],
  ["Promoted", "Normal", "The new revision serves all traffic."],
  ["Reverted", "Warning", "A revision was rejected, and traffic is on its way back."],
];

/** Undefined for a reason of another version. */
export function reasonNamed(name: string): { readonly means: string; readonly remedy: string } | undefined {
  const found = REASONS.flatMap(({ reasons }) => reasons).find(([reason]) => reason === name);
  return found === undefined ? undefined : { means: found[2], remedy: found[3] };
}
