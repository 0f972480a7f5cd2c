{{/* Names: those of a release called zenith begin with "zenith", as in manifests/. */}}
{{- define "zenith.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Cluster-scoped objects of an install for some namespaces carry its own namespace, so that several live side by side. */}}
{{- define "zenith.clusterName" -}}
{{- include "zenith.fullname" . -}}{{- if .Values.namespaces -}}-{{ .Release.Namespace }}{{- end -}}
{{- end -}}

{{/* zenith.accountName takes a list: the root, and the workload, operator or flags. */}}
{{- define "zenith.accountName" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
{{- $account := (get $root.Values $workload).serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-%s" (include "zenith.fullname" $root) $workload) $account.name -}}
{{- else -}}
{{- required (printf "%s.serviceAccount.name must name an existing account where %s.serviceAccount.create is false" $workload $workload) $account.name -}}
{{- end -}}
{{- end -}}

{{- define "zenith.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{ .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* zenith.labels takes a list: the root, and the component where there is one. */}}
{{- define "zenith.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: zenith
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/part-of: zenith
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What selects the pods of a component; never changes between versions. */}}
{{- define "zenith.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: zenith
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* What every pod of ours has in common. */}}
{{- define "zenith.podDefaults" -}}
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What the operator may do where it looks after Rollouts: cluster-wide, or in each of the namespaces. */}}
{{- define "zenith.operatorRules" -}}
- apiGroups: [zenith.sh]
  resources: [rollouts]
  verbs: [get, list, watch, patch]
- apiGroups: [zenith.sh]
  resources: [featureflags, flagsegments, killswitches]
  verbs: [list, watch]
- apiGroups: [zenith.sh]
  resources: [rollouts/status, featureflags/status, flagsegments/status, killswitches/status]
  verbs: [patch]
# Owner references that block a foreground delete ask for this.
- apiGroups: [zenith.sh]
  resources: [rollouts/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [replicasets, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Create is for the canary Service; it goes with its owner, so there is no delete.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, list, watch, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.operator.gates }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, watch]
{{- end }}
{{- end -}}

{{/* Egress that every pod of ours needs: names, and the API server. */}}
{{- define "zenith.apiEgress" -}}
- ports: # Names
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
- ports: # The API server
    {{- range .Values.networkPolicy.apiServerPorts }}
    - port: {{ . }}
    {{- end }}
{{- end -}}

{{/* What flag servers may do. */}}
{{- define "zenith.flagsRules" -}}
- apiGroups: [zenith.sh]
  resources: [featureflags, flagsegments, killswitches]
  verbs: [list, watch]
{{- end -}}

{{/* Account, role and binding of a workload: a list of the root, the workload and its rules. */}}
{{- define "zenith.rights" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
{{- $rules := index . 2 -}}
{{- $account := include "zenith.accountName" (list $root $workload) -}}
{{- if (get $root.Values $workload).serviceAccount.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $account }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "zenith.labels" (list $root $workload) | nindent 4 }}
  {{- with (get $root.Values $workload).serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if $root.Values.rbac.create }}
{{- range ($root.Values.namespaces | default (list "")) }}
{{- $scope := . | empty | ternary "ClusterRole" "Role" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}
metadata:
  name: {{ include "zenith.fullname" $root }}-{{ $workload }}
  {{- with . }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "zenith.labels" (list $root $workload) | nindent 4 }}
rules:
  {{- $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}Binding
metadata:
  name: {{ include "zenith.fullname" $root }}-{{ $workload }}
  {{- with . }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "zenith.labels" (list $root $workload) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $scope }}
  name: {{ include "zenith.fullname" $root }}-{{ $workload }}
subjects:
  - kind: ServiceAccount
    name: {{ $account }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where pods run: a list of the root and the workload. */}}
{{- define "zenith.placement" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
{{- $values := get $root.Values $workload -}}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels:
        {{- include "zenith.selector" (list $root $workload) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of pods: a list of the root and the workload. */}}
{{- define "zenith.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
labels:
  {{- include "zenith.selector" (list $root $workload) | nindent 2 }}
  {{- with merge (dict) ((get $root.Values $workload).podLabels | default dict) ($root.Values.commonLabels | default dict) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with (get $root.Values $workload).podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A list of the root and the workload. */}}
{{- define "zenith.disruptionBudget" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "zenith.fullname" $root }}-{{ $workload }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "zenith.labels" (list $root $workload) | nindent 4 }}
spec:
  maxUnavailable: {{ (get $root.Values $workload).podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "zenith.selector" (list $root $workload) | nindent 6 }}
{{- end -}}
