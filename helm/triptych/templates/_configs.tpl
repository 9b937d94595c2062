{{- define "triptych.routerConfig" -}}
listen: 0.0.0.0:7071
http_listen: 0.0.0.0:8080
metrics_listen: 0.0.0.0:9071
coordinator: {{ include "triptych.fullname" . }}-coordinator:7070
policy: {{ .Values.router.policy }}
max_requests: {{ .Values.router.maxRequests | int }}
image_store_bytes: {{ .Values.router.imageStoreBytes | int64 }}
worker_wait: {{ .Values.router.workerWaitSeconds | int }}s
drain_deadline: {{ .Values.router.drainSeconds | int }}s
log_format: {{ .Values.logFormat }}
{{- if .Values.tls.public.existingSecret }}
public_tls:
  certificate: /etc/triptych-public-tls/tls.crt
  key: /etc/triptych-public-tls/tls.key
  {{- if .Values.tls.public.clientCertificates }}
  client_ca: /etc/triptych-public-tls/ca.crt
  {{- end }}
{{- end }}
{{- include "triptych.internalTlsConfig" . }}
{{- with .Values.apiKeys }}
{{- if .existingSecret }}
api_keys: /etc/triptych-api-keys/{{ .key }}
{{- end }}
{{- end }}
models:
{{- range .Values.models }}
  - name: {{ .name }}
    path: {{ include "triptych.modelPath" . }}
{{- end }}
{{- with .Values.router.limits }}
limits:
{{- range $name, $value := . }}
  {{ $name }}: {{ $value | int64 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Begins with a line's end, where there is something. */}}
{{- define "triptych.internalTlsConfig" -}}
{{- if .Values.tls.internal.existingSecret }}
tls:
  certificate: /etc/triptych-tls/tls.crt
  key: /etc/triptych-tls/tls.key
  ca: /etc/triptych-tls/ca.crt
{{- end }}
{{- end }}

{{- define "triptych.coordinatorConfig" -}}
listen: 0.0.0.0:7070
metrics_listen: 0.0.0.0:9070
lease_ttl: {{ .Values.coordinator.leaseTtlMilliseconds | int }}ms
step_stall: {{ .Values.coordinator.stepStallSeconds | int }}s
log_format: {{ .Values.logFormat }}
{{- include "triptych.internalTlsConfig" . }}
{{- end }}
