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

{{- define "zenith.accountName" -}}
{{- $account := .Values.operator.serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-operator" (include "zenith.fullname" .)) $account.name -}}
{{- else -}}
{{- required "operator.serviceAccount.name must name an existing account where operator.serviceAccount.create is false" $account.name -}}
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
  verbs: [get, list, watch]
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
