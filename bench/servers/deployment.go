package servers

import (
	"fmt"
	"strings"
)

// Deployment is what Syncline runs on.
type Deployment struct {
	Postgres  bool // else SQLite
	Redis     bool
	Instances int // at least 1
}

// Deployments are those that are measured, by name.
var Deployments = []struct {
	Name string
	Deployment
}{
	{"sqlite", Deployment{Instances: 1}},
	{"postgres", Deployment{Postgres: true, Instances: 1}},
	{"postgres-redis", Deployment{Postgres: true, Redis: true, Instances: 1}},
	{"postgres-2", Deployment{Postgres: true, Instances: 2}},
	{"postgres-redis-2", Deployment{Postgres: true, Redis: true, Instances: 2}},
}

// ParseDeployment finds a deployment by its name.
func ParseDeployment(name string) (Deployment, error) {
	var names []string
	for _, d := range Deployments {
		if d.Name == name {
			return d.Deployment, nil
		}
		names = append(names, d.Name)
	}
	return Deployment{}, fmt.Errorf("unknown deployment %q: there are %s", name, strings.Join(names, ", "))
}

// String is how tables name it.
func (d Deployment) String() string {
	s := "SQLite"
	if d.Postgres {
		s = "PostgreSQL"
	}
	if d.Redis {
		s += " and Redis"
	}
	if d.Instances > 1 {
		s = fmt.Sprintf("%s, %d instances", s, d.Instances)
	}
	return s
}
