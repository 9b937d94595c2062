{{- /* A worker's configuration but for what only its pod knows. Of a dict: root, pool, model. */}}
{{- define "triptych.workerConfig" -}}
{{- $pool := .pool }}
{{- $cpus := include "triptych.wholeCpus" $pool.resources | int }}
roles: [{{ $pool.role }}]
model: {{ include "triptych.modelPath" .model }}
model_name: {{ .model.name }}
load_format: {{ default "auto" .model.loadFormat }}
coordinator: {{ include "triptych.fullname" .root }}-coordinator:7070
listen: 0.0.0.0:7072
metrics_listen: 0.0.0.0:9072
device: {{ $pool.device }}
dtype: {{ $pool.dtype }}
threads_per_rank: {{ $pool.threads | int | default (max 1 (div $cpus (int $pool.ranks))) }}
embedding_cache_bytes: {{ $pool.embeddingCacheBytes | int64 }}
drain_deadline: {{ $pool.drainSeconds | int }}s
log_format: {{ .root.Values.logFormat }}
{{- include "triptych.internalTlsConfig" .root }}
{{- if eq $pool.role "encoder" }}
max_batch_tiles: {{ $pool.maxBatchTiles | int }}
prepare_threads: {{ $pool.prepareThreads | int }}
max_waiting_images: {{ $pool.maxWaitingImages | int }}
{{- else }}
tensor_parallel: {{ $pool.tensorParallel | int }}
kv_blocks: {{ $pool.kvBlocks | int }}
max_sequences: {{ $pool.maxSequences | int }}
max_step_tokens: {{ $pool.maxStepTokens | int }}
max_chunk_tokens: {{ $pool.maxChunkTokens | int }}
max_waiting: {{ $pool.maxWaiting | int }}
prefix_cache: {{ $pool.prefixCache }}
step_stall: {{ $pool.stepStallSeconds | int }}s
{{- end }}
{{- end }}

{{- /* A worker's pod template. Of a dict: root, pool, model, config (its ConfigMap's text). */}}
{{- define "triptych.workerPod" -}}
{{- $root := .root }}
{{- $pool := .pool }}
{{- $part := dict "root" $root "component" $pool.role "pool" $pool.name }}
{{- $image := ternary $root.Values.cudaImage $root.Values.image (eq $pool.device "cuda") }}
{{- $resources := deepCopy $pool.resources }}
{{- if $pool.gpus }}
{{- $gpus := dict $pool.gpuResource ($pool.gpus | int | toString) }}
{{- $limits := mustMerge $gpus (get $resources "limits" | default dict) }}
{{- $_ := set $resources "limits" $limits }}
{{- end }}
metadata:
  labels: {{- include "triptych.selector" $part | nindent 4 }}
  annotations:
    checksum/config: {{ .config | sha256sum }}
    {{- with $pool.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "triptych.podCommon" (merge (dict "settings" $pool) $part) | nindent 2 }}
  terminationGracePeriodSeconds: {{ $pool.terminationGracePeriodSeconds | int }}
  {{- with include "triptych.modelInit" .model | trim }}
  initContainers: {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: worker
      image: {{ include "triptych.image" (dict "root" $root "image" $image) }}
      imagePullPolicy: {{ $image.pullPolicy }}
      command: [/bin/sh, -ec]
      args:
        - |
          cp /etc/triptych/worker.yaml /run/triptych/worker.yaml
          cat >>/run/triptych/worker.yaml <<END
          name: "$POD_NAME"
          advertise: "$POD_IP"
          {{- if gt (int $pool.nodes) 1 }}
          group: "{{ $pool.fullname }}-$GROUP_INDEX"
          first_rank: $((WORKER_INDEX * {{ $pool.ranks }}))
          num_ranks: {{ $pool.ranks }}
          {{- end }}
          END
          exec triptych-worker --config /run/triptych/worker.yaml
      env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        {{- if gt (int $pool.nodes) 1 }}
        {{- range $name, $label := dict "GROUP_INDEX" "group-index" "WORKER_INDEX" "worker-index" }}
        - name: {{ $name }}
          valueFrom:
            fieldRef: {fieldPath: "metadata.labels['leaderworkerset.sigs.k8s.io/{{ $label }}']"}
        {{- end }}
        {{- end }}
        {{- with $pool.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {name: grpc, containerPort: 7072}
        - {name: metrics, containerPort: 9072}
      # Ready once the model is loaded. A shard group that makes no progress fails /healthz. Over HTTP,
      # because Kubernetes' gRPC probes speak no TLS.
      startupProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        failureThreshold: {{ div (add (int $pool.startupSeconds) 4) 5 }}
      livenessProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
      resources: {{- toYaml $resources | nindent 8 }}
      securityContext: {{- include "triptych.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/triptych, readOnly: true}
        - {name: run, mountPath: /run/triptych}
        - {name: tmp, mountPath: /tmp}
        - {name: shm, mountPath: /dev/shm}
        {{- include "triptych.modelMount" .model | trim | nindent 8 }}
        {{- include "triptych.internalTlsMount" $root | nindent 8 }}
  volumes:
    - {name: config, configMap: {name: {{ $pool.fullname }}}}
    - {name: run, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
    - {name: tmp, emptyDir: {}}
    - {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ $pool.shmSize }}}}
    {{- include "triptych.modelVolume" .model | nindent 4 }}
    {{- include "triptych.internalTlsVolume" $root | nindent 4 }}
{{- end }}
