package servers

import (
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	line := "42 (a) odd (name)) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 25 5 20 0 9 0 100 0 0"
	p, err := parseStat([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if p.parent != 7 || p.cpu != 2300*time.Millisecond {
		t.Errorf("got %+v, want parent 7 and 2.3 s", p)
	}
	if _, err := parseStat([]byte("42 (short) S 7")); err == nil {
		t.Error("a short line passed")
	}
}

func TestReplaceBody(t *testing.T) {
	t.Parallel()
	source := "package p\n\nfunc a() int { return 1 }\n\nfunc (t T) b(x int) int {\n\tif x > 0 {\n\t\treturn 2\n\t}\n\treturn 3\n}\n\nfunc c() {}\n"
	got, err := replaceBody([]byte(source), "b", "{ return x }")
	if err != nil {
		t.Fatal(err)
	}
	want := "package p\n\nfunc a() int { return 1 }\n\nfunc (t T) b(x int) int { return x }\n\nfunc c() {}\n"
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
	if _, err := replaceBody([]byte(source), "missing", "{}"); err == nil {
		t.Error("a method that is not there was replaced")
	}
}

func TestMetric(t *testing.T) {
	t.Parallel()
	text := "# HELP heap_bytes Heap.\nheap_bytes_total 9\nheap_bytes 1.5e+06\n"
	if v, err := metric(text, "heap_bytes"); err != nil || v != 1.5e6 {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err := metric(text, "stack_bytes"); err == nil {
		t.Error("a figure that is not there was found")
	}
}

func TestParseDeployment(t *testing.T) {
	t.Parallel()
	for _, d := range Deployments {
		if got, err := ParseDeployment(d.Name); err != nil || got != d.Deployment {
			t.Errorf("%s: got %v, %v", d.Name, got, err)
		}
	}
	if _, err := ParseDeployment("mysql"); err == nil || !strings.Contains(err.Error(), "postgres-redis-2") {
		t.Errorf("the error does not tell what there is: %v", err)
	}
}
