{{- define "blasty.labels" -}}
app.kubernetes.io/name: blasty
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Labels that select the pods of one role; takes a dict of root and role. */ -}}
{{- define "blasty.selector" -}}
app.kubernetes.io/name: blasty
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- /* Name of what belongs to one role; cluster-scoped names carry it too. */ -}}
{{- define "blasty.name" -}}
{{ .root.Release.Name }}-{{ .role }}
{{- end }}
