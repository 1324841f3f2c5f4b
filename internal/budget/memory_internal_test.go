package budget

import (
	"testing"
	"testing/fstest"
)

func TestCgroupLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  int64 // 0: none
	}{
		"none":                  {nil, 0},
		"version 2":             {map[string]string{"proc/self/cgroup": "0::/system.slice/syncline.service\n", "sys/fs/cgroup/system.slice/syncline.service/memory.max": "268435456\n"}, 268435456},
		"a parent's":            {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1000\n"}, 1000},
		"the least":             {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "2000\n", "sys/fs/cgroup/a/memory.max": "1000\n"}, 1000},
		"no limit":              {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		"in a container":        {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 536870912},
		"version 1":             {map[string]string{"proc/self/cgroup": "4:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n", "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "1000\n"}, 1000},
		"version 1 from within": {map[string]string{"proc/self/cgroup": "4:memory:/docker/x\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n"}, 1000},
		"version 1, none":       {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"awkward":               {map[string]string{"proc/self/cgroup": "\n:\n0::\nx:y:z\n", "sys/fs/cgroup/memory.max": "?\n"}, 0},
	} {
		files := fstest.MapFS{}
		for name, text := range test.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		got, ok := cgroupLimit(files)
		if ok != (test.want > 0) || ok && got != test.want {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, test.want)
		}
	}
}

func TestMachineMemory(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:       24576000 kB\nMemFree:        1 kB\n")}}
	if got, ok := machineMemory(files); !ok || got != 24576000<<10 {
		t.Errorf("%d, %v", got, ok)
	}
	if _, ok := machineMemory(fstest.MapFS{}); ok {
		t.Error("memory of a machine that tells none")
	}
}
