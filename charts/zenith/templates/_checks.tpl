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

{{/* The port that an address leads to. */}}
{{- define "zenith.portOf" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end -}}
