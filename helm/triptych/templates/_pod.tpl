{{- /* What all pods have in common. Of a dict: root, settings (of the part or pool), component,
       pool. */}}
{{- define "triptych.podCommon" -}}
serviceAccountName: {{ include "triptych.fullname" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .settings.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
{{- range .root.Values.topologySpread.topologyKeys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels: {{- include "triptych.selector" $ | nindent 8 }}
{{- end }}
{{- end }}

{{- /* Pod Security `restricted`, and a root file system that nobody writes to. */}}
{{- define "triptych.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The certificate for the other processes, where there is one. A whole folder, so that the kubelet
       exchanges its files. */}}
{{- define "triptych.internalTlsMount" -}}
{{- if .Values.tls.internal.existingSecret }}
- {name: tls, mountPath: /etc/triptych-tls, readOnly: true}
{{- end }}
{{- end }}

{{- define "triptych.internalTlsVolume" -}}
{{- with .Values.tls.internal.existingSecret }}
- {name: tls, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- end }}

{{- /* What a gRPC port speaks. Of a part of `tls`. */}}
{{- define "triptych.grpcProtocol" -}}
{{ ternary "kubernetes.io/h2c" "tls" (empty .existingSecret) }}
{{- end }}

{{- /* A model's folder as a volume. Of a model. */}}
{{- define "triptych.modelVolume" -}}
- name: model-{{ .name }}
{{- with .source.pvc }}
  persistentVolumeClaim: {claimName: {{ .claimName }}, readOnly: true}
{{- end }}
{{- with .source.image }}
  image: {reference: {{ .reference | quote }}, pullPolicy: {{ default "IfNotPresent" .pullPolicy }}}
{{- end }}
{{- with .source.init }}
  emptyDir: {{ if .sizeLimit }}{sizeLimit: {{ .sizeLimit }}}{{ else }}{}{{ end }}
{{- end }}
{{- end }}

{{- define "triptych.modelMount" -}}
{{- $volume := coalesce .source.pvc .source.image (dict) }}
- name: model-{{ .name }}
  mountPath: {{ include "triptych.modelPath" . }}
  readOnly: true
{{- with $volume.subPath }}
  subPath: {{ . }}
{{- end }}
{{- end }}

{{- define "triptych.modelPath" -}}
/models/{{ .name }}
{{- end }}

{{- /* The container that fetches a model, where there is one. Of a model. */}}
{{- define "triptych.modelInit" -}}
{{- $path := include "triptych.modelPath" . }}
{{- $name := .name }}
{{- with .source.init }}
- name: fetch-{{ $name }}
  image: {{ .image | quote }}
  {{- with .pullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  {{- with .command }}
  command: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .args }}
  args: {{- toYaml . | nindent 4 }}
  {{- end }}
  env:
    - {name: MODEL_DIR, value: {{ $path }}}
    {{- with .env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  securityContext: {{- include "triptych.containerSecurity" . | nindent 4 }}
  {{- with .resources }}
  resources: {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - {name: model-{{ $name }}, mountPath: {{ $path }}}
    - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end }}

{{- /* The whole CPUs among resources, at least 1: what a process may use on any node. */}}
{{- define "triptych.wholeCpus" -}}
{{- $requests := get . "requests" | default dict }}
{{- $limits := get . "limits" | default dict }}
{{- $cpu := coalesce $limits.cpu $requests.cpu "1" | toString }}
{{- if hasSuffix "m" $cpu -}}
{{ max 1 (div (trimSuffix "m" $cpu | int) 1000) }}
{{- else -}}
{{ max 1 (float64 $cpu | floor | int) }}
{{- end }}
{{- end }}
