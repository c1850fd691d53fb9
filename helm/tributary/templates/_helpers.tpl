{{- define "tributary.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tributary.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "tributary.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "tributary.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tributary.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "tributary.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "tributary.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* Names of a list of references, with commas. */}}
{{- define "tributary.names" -}}
{{- $names := list }}
{{- range . }}{{ $names = append $names .name }}{{ end }}
{{- join "," $names }}
{{- end }}

{{/* Pods that an operator makes: writers, and the jobs of tables. */}}
{{- define "tributary.madeSelector" -}}
app.kubernetes.io/managed-by: tributary
{{- end }}

{{- define "tributary.selector" -}}
app.kubernetes.io/name: {{ include "tributary.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* The pod of helm test; the operator's Service does not select it. */}}
{{- define "tributary.testSelector" -}}
app.kubernetes.io/name: {{ include "tributary.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{- define "tributary.labels" -}}
{{ include "tributary.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What the operator does in a namespace that it watches; nothing more. */}}
{{- define "tributary.rules" -}}
- apiGroups: [tributary.dev]
  resources: [cdcpipelines]
  # patch: the finalizer
  verbs: [list, watch, patch]
- apiGroups: [tributary.dev]
  resources: [deltatables]
  # those of a pipeline's tables
  verbs: [list, watch, create, patch]
- apiGroups: [tributary.dev]
  resources: [tableoperations]
  # delete: ttlSecondsAfterFinished
  verbs: [list, watch, delete]
- apiGroups: [tributary.dev]
  resources: [fileingestions]
  verbs: [list, watch]
- apiGroups: [tributary.dev]
  resources: [cdcpipelines/status, deltatables/status, tableoperations/status, fileingestions/status]
  verbs: [patch]
- apiGroups: [tributary.dev]
  resources: [cdcpipelines/finalizers, deltatables/finalizers, tableoperations/finalizers, fileingestions/finalizers]
  # owner references that block deletion
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  # server-side apply creates by patch
  verbs: [list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [secrets]
  # only by the names that pipelines refer to; never listed
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
