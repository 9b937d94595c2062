{{- define "triptych.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "triptych.fullname" -}}
{{ default .Release.Name .Values.fullnameOverride | trunc 30 | trimSuffix "-" }}
{{- end }}

{{- /* What selects the objects of a part. Of a dict: root, component, and pool for a pool. */}}
{{- define "triptych.selector" -}}
app.kubernetes.io/name: {{ include "triptych.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
triptych-pool: {{ . }}
{{- end }}
{{- end }}

{{- define "triptych.labels" -}}
{{ include "triptych.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Of a dict: root, and image (`image` or `cudaImage` of the values). */}}
{{- define "triptych.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end }}
{{- end }}

{{- /* All pools with their defaults, as a YAML list; the last lines say what else each has. */}}
{{- define "triptych.pools" -}}
{{- $pools := list }}
{{- range $role, $list := dict "encoder" .Values.encoders "decoder" .Values.decoders }}
{{- $defaults := get $.Values (printf "%sDefaults" $role) }}
{{- range $index, $own := $list }}
{{- $pool := mustMergeOverwrite (deepCopy $defaults) (deepCopy $own) }}
{{- $key := printf "%ss[%d] (%s)" $role $index $own.name }}
{{- $nodes := get $pool "nodes" | default 1 | int }}
{{- $ranks := div (get $pool "tensorParallel" | default 1 | int) (max 1 $nodes) | int }}
{{- $fullname := printf "%s-%s-%s" (include "triptych.fullname" $) $role $own.name }}
{{- $derived := dict "role" $role "key" $key "fullname" $fullname "nodes" $nodes "ranks" $ranks }}
{{- $pools = append $pools (mustMergeOverwrite $pool $derived) }}
{{- end }}
{{- end }}
{{- toYaml $pools }}
{{- end }}
