package checks

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// The manifests are read by Kubernetes' own types, which refuse fields that they do
// not have, and fit the image, each other and the server's defaults.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	var deployment appsv1.Deployment
	var service corev1.Service
	var budget policyv1.PodDisruptionBudget
	documents := strings.Split(read(t, "../kubernetes/syncline.yaml"), "\n---\n")
	objects := []any{&deployment, &service, &budget}
	if len(documents) != len(objects) {
		t.Fatalf("%d manifests, want %d", len(documents), len(objects))
	}
	for i, into := range objects {
		text, err := yaml.YAMLToJSONStrict([]byte(documents[i]))
		if err != nil {
			t.Fatalf("manifest %d: %v", i+1, err)
		}
		if unknown, err := json.UnmarshalStrict(text, into); err != nil || len(unknown) > 0 {
			t.Fatalf("manifest %d: %v %v", i+1, unknown, err)
		}
	}
	if deployment.Kind != "Deployment" || deployment.APIVersion != "apps/v1" || service.Kind != "Service" || service.APIVersion != "v1" ||
		budget.Kind != "PodDisruptionBudget" || budget.APIVersion != "policy/v1" {
		t.Errorf("kinds: %v, %v, %v", deployment.TypeMeta, service.TypeMeta, budget.TypeMeta)
	}
	pod, img := deployment.Spec.Template.Spec, readDockerfile(t)
	if len(pod.Containers) != 1 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	container := pod.Containers[0]
	environ := []string{}
	for _, variable := range container.Env {
		value := variable.Value
		if variable.ValueFrom != nil { // of the secret, whose keys are called alike
			if key := variable.ValueFrom.SecretKeyRef.Key; key != variable.Name {
				t.Errorf("%s comes from the key %s", variable.Name, key)
			}
			value = map[string]string{"DATABASE_URL": "postgres://u@h/d", "REDIS_URL": "redis://h"}[variable.Name]
		}
		environ = append(environ, variable.Name+"="+value)
	}
	cfg := loadConfig(t, environ)
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < cfg.DrainDelay+cfg.ShutdownTimeout+5*time.Second {
		t.Errorf("it is killed after %v, its stop may take %v and %v", grace, cfg.DrainDelay, cfg.ShutdownTimeout)
	}
	probe := container.ReadinessProbe
	if seen := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second; seen >= cfg.DrainDelay {
		t.Errorf("who leaves is seen after %v and serves on for %v", seen, cfg.DrainDelay)
	}
	if *pod.SecurityContext.RunAsUser != int64(img.uid) {
		t.Errorf("it runs as %d, the image as %d", *pod.SecurityContext.RunAsUser, img.uid)
	}
	ports := map[string]string{}
	for _, port := range container.Ports {
		ports[port.Name] = fmt.Sprint(":", port.ContainerPort)
	}
	if ports["http"] != cfg.ListenAddress || ports["metrics"] != cfg.MetricsListenAddress {
		t.Errorf("ports %v, the server listens on %s and %s", ports, cfg.ListenAddress, cfg.MetricsListenAddress)
	}
	if service.Spec.Ports[0].TargetPort.StrVal != "http" || probe.HTTPGet.Port.StrVal != "http" || probe.HTTPGet.Path != "/readyz" ||
		container.LivenessProbe.HTTPGet.Path != "/livez" || container.StartupProbe.HTTPGet.Path != "/livez" {
		t.Error("service or probes do not ask where the server answers")
	}
	for name, value := range deployment.Spec.Template.Labels {
		if deployment.Spec.Selector.MatchLabels[name] != value || service.Spec.Selector[name] != value || budget.Spec.Selector.MatchLabels[name] != value {
			t.Errorf("not all select the label %s=%s", name, value)
		}
	}
}
