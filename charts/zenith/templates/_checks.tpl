{{/* What values.schema.json cannot say: settings that only make sense together. Each refusal names the key and what is accepted. */}}
{{- define "zenith.checkPrometheus" -}}
{{- $secret := .Values.prometheus.secret -}}
{{- $keys := list "bearerTokenKey" "basicAuthKey" "headersKey" "caKey" "certKey" "keyKey" -}}
{{- range $keys -}}
{{- if and (get $secret .) (not $secret.name) -}}
{{- fail (printf "\n\nprometheus.secret.%s is of no use without prometheus.secret.name; name the Secret that has the key %q" . (get $secret .)) -}}
{{- end -}}
{{- if and (get $secret .) (not $.Values.prometheus.url) -}}
{{- fail (printf "\n\nprometheus.secret.%s is of no use without prometheus.url; give both or neither" .) -}}
{{- end -}}
{{- end -}}
{{- if and $secret.bearerTokenKey $secret.basicAuthKey -}}
{{- fail "\n\nprometheus.secret.bearerTokenKey and prometheus.secret.basicAuthKey exclude each other; give one" -}}
{{- end -}}
{{- if ne (empty $secret.certKey) (empty $secret.keyKey) -}}
{{- fail "\n\nprometheus.secret.certKey and prometheus.secret.keyKey must be given together" -}}
{{- end -}}
{{- end -}}

{{/* Labels of ours that somebody gave another value would no longer select our pods, or say whose they are. */}}
{{- define "zenith.checkLabels" -}}
{{- $ours := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/part-of" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- $given := dict "commonLabels" .Values.commonLabels "operator.podLabels" .Values.operator.podLabels "flags.podLabels" .Values.flags.podLabels -}}
{{- range $where, $labels := $given -}}
{{- range $label := keys ($labels | default dict) | sortAlpha -}}
{{- if has $label $ours -}}
{{- fail (printf "\n\n%s must not have %s, which the chart sets itself; take it out, or use another label" $where $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The port that an address leads to. */}}
{{- define "zenith.portOf" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end -}}
