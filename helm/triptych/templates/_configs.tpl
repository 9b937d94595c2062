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

{{- define "triptych.coordinatorConfig" -}}
listen: 0.0.0.0:7070
metrics_listen: 0.0.0.0:9070
lease_ttl: {{ .Values.coordinator.leaseTtlMilliseconds | int }}ms
step_stall: {{ .Values.coordinator.stepStallSeconds | int }}s
log_format: {{ .Values.logFormat }}
{{- end }}
