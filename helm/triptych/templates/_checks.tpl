{{- /* Contradictions that values.schema.json cannot say; each message begins with the key. */}}
{{- define "triptych.check" -}}
{{- include "triptych.checkModels" . }}
{{- include "triptych.checkRouter" . }}
{{- include "triptych.checkAccess" . }}
{{- $names := dict }}
{{- $served := dict }}
{{- $scaled := dict }}
{{- range include "triptych.pools" . | fromYamlArray }}
{{- if hasKey $names .fullname }}
{{- fail (printf "%s.name: %s has this name already" .key (get $names .fullname)) }}
{{- end }}
{{- $_ := set $names .fullname .key }}
{{- include "triptych.checkPool" (dict "root" $ "pool" .) }}
{{- $kind := printf "%s/%s" .role .model }}
{{- if and (hasKey $served $kind) (or .autoscaling (hasKey $scaled $kind)) }}
{{- fail (printf "%s.autoscaling: %s serves the same model; what scales knows role and model alone"
          .key (get $served $kind)) }}
{{- end }}
{{- $_ := set $served $kind .key }}
{{- if .autoscaling }}{{ $_ := set $scaled $kind true }}{{ end }}
{{- end }}
{{- range $index, $model := .Values.models }}
{{- if not (hasKey $served (printf "decoder/%s" $model.name)) }}
{{- fail (printf "models[%d].name: no pool of decoders serves '%s'" $index $model.name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "triptych.checkModels" -}}
{{- $known := dict }}
{{- range $index, $model := .Values.models }}
{{- if hasKey $known $model.name }}
{{- fail (printf "models[%d].name: '%s' is there twice" $index $model.name) }}
{{- end }}
{{- $_ := set $known $model.name true }}
{{- if and $model.source.image (semverCompare "<1.33.0-0" $.Capabilities.KubeVersion.Version) }}
{{- fail (printf "models[%d].source.image: image volumes need Kubernetes 1.33, this is %s"
          $index $.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "triptych.checkRouter" -}}
{{- with .Values.router }}
{{- $least := add .preStopSeconds .drainSeconds 5 }}
{{- if lt (int .terminationGracePeriodSeconds) (int $least) }}
{{- $message := "router.terminationGracePeriodSeconds: %d is less than %s = %d" }}
{{- fail (printf $message
          (int .terminationGracePeriodSeconds) "preStopSeconds + drainSeconds + 5" (int $least)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "triptych.checkAccess" -}}
{{- with .Values }}
{{- if and .tls.public.clientCertificates (not .tls.public.existingSecret) }}
{{- fail "tls.public.clientCertificates: true without tls.public.existingSecret; without TLS nobody shows any" }}
{{- end }}
{{- if and .test.apiKey.existingSecret (not .apiKeys.existingSecret) }}
{{- fail "test.apiKey.existingSecret: given without apiKeys.existingSecret; no key is needed" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "triptych.checkPool" -}}
{{- $root := .root }}
{{- with .pool }}
{{- $models := list }}
{{- range $root.Values.models }}{{ $models = append $models .name }}{{ end }}
{{- if not (has .model $models) }}
{{- fail (printf "%s.model: '%s' is not one of models: %s" .key .model (join ", " $models)) }}
{{- end }}
{{- if and (hasKey . "replicas") .autoscaling }}
{{- fail (printf "%s.replicas: autoscaling is given too; give one of them" .key) }}
{{- end }}
{{- if not (or (hasKey . "replicas") .autoscaling) }}
{{- fail (printf "%s.replicas: missing; give replicas or autoscaling" .key) }}
{{- end }}
{{- if lt (int .terminationGracePeriodSeconds) (int (add .drainSeconds 5)) }}
{{- fail (printf "%s.terminationGracePeriodSeconds: %d is less than drainSeconds + 5 = %d"
          .key (int .terminationGracePeriodSeconds) (int (add .drainSeconds 5))) }}
{{- end }}
{{- $surge := toString .rollout.maxSurge | trimSuffix "%" }}
{{- $unavailable := toString .rollout.maxUnavailable | trimSuffix "%" }}
{{- if and (eq $surge "0") (eq $unavailable "0") }}
{{- fail (printf "%s.rollout: maxSurge and maxUnavailable are both 0: no rollout could go on" .key) }}
{{- end }}
{{- include "triptych.checkDevice" . }}
{{- include "triptych.checkRanks" . }}
{{- include "triptych.checkAutoscaling" (dict "root" $root "pool" .) }}
{{- end }}
{{- end }}

{{- define "triptych.checkDevice" -}}
{{- if and (eq .device "cpu") (eq .dtype "bfloat16") }}
{{- fail (printf "%s.dtype: the CPU computes in float32; take auto" .key) }}
{{- end }}
{{- $gpus := ternary .ranks 0 (eq .device "cuda") }}
{{- if ne (int .gpus) (int $gpus) }}
{{- fail (printf "%s.gpus: %d GPUs; a pod with device %s and %d ranks needs %d"
          .key (int .gpus) .device (int .ranks) (int $gpus)) }}
{{- end }}
{{- end }}

{{- define "triptych.checkRanks" -}}
{{- if eq .role "decoder" }}
{{- if ne (mod (int .tensorParallel) (int .nodes)) 0 }}
{{- fail (printf "%s.nodes: tensorParallel %d does not divide into %d nodes"
          .key (int .tensorParallel) (int .nodes)) }}
{{- end }}
{{- if gt (int .maxChunkTokens) (int .maxStepTokens) }}
{{- fail (printf "%s.maxChunkTokens: %d is more than maxStepTokens %d"
          .key (int .maxChunkTokens) (int .maxStepTokens)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "triptych.checkAutoscaling" -}}
{{- $root := .root }}
{{- with .pool }}
{{- if .autoscaling }}
{{- if gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas) }}
{{- fail (printf "%s.autoscaling.minReplicas: %d is more than maxReplicas %d"
          .key (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- end }}
{{- with $root.Values.autoscaling }}
{{- if and (eq .backend "keda") (not .keda.prometheusAddress) }}
{{- fail "autoscaling.keda.prometheusAddress: missing; KEDA asks Prometheus" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
